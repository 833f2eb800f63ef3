"""The errors of opening a detector; after each of them rounds go on without it, and report why.

DetectorUnavailable
├── ManifestBroken    the manifest itself (ours, or the site's own) cannot be understood -> people
├── ModelUnknown      no entry of this name -> people
├── RuntimeMissing    onnxruntime is not installed: pip install 'patrol[objects]'
├── ModelMissing      no weight file yet: patrol models install
├── ModelBroken       the file is not what the manifest says: hash, shape or labels -> people
└── InstallFailed     the package could not be had, or holds something else -> people
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from patrol.domain.errors import Failed


class DetectorUnavailable(Failed):
    """No detector; the message is one line that an operator can act on."""


class ManifestBroken(DetectorUnavailable):
    """`models.yaml` is not understood; the message names the place."""


class ModelUnknown(DetectorUnavailable):
    """The manifest has no entry of this name."""


class RuntimeMissing(DetectorUnavailable):
    """onnxruntime, an optional extra, is not installed."""


class ModelMissing(DetectorUnavailable):
    """There is no weight file for this entry."""

    def __init__(self, name: str, path: Path, *, own: bool = False) -> None:
        move = "put it there, models.yaml names it" if own else "run `patrol models install`"
        super().__init__(f"model {name}: no file {path}; {move}")
        self.name = name
        self.path = path


class ModelBroken(DetectorUnavailable):
    """The weight file is not what the manifest declares."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"model {name}: {what}")
        self.name = name


class InstallFailed(DetectorUnavailable):
    """The package with the weight file could not be had, or holds something else."""


@contextmanager
def runtime_errors_as_model_broken(name: str, doing: str) -> Iterator[None]:
    """Turn whatever onnxruntime raises within into ModelBroken: `doing`, and its first line."""
    try:
        yield
    except DetectorUnavailable:
        raise
    except Exception as exc:  # onnxruntime's errors share no public base but this
        first_line = (str(exc).splitlines() or [type(exc).__name__])[0]
        raise ModelBroken(name, f"{doing}: {first_line}") from exc

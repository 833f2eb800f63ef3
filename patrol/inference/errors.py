"""Why there is no detector, by name; in every case the round goes on without objects and says so.

DetectorUnavailable
├── ManifestBroken    the manifest itself (ours, or the site's own) cannot be understood -> people
├── ModelUnknown      no entry of this name -> people
├── RuntimeMissing    onnxruntime is not installed: pip install 'patrol[objects]'
├── ModelMissing      no weight file yet: patrol models install
├── ModelBroken       the file is not what the manifest says: hash, shape or labels -> people
└── InstallFailed     the package could not be had, or holds something else -> people
"""

from pathlib import Path

from patrol.domain.errors import Failed


class DetectorUnavailable(Failed):
    """No detector; the message is one line that an operator can act on."""


class ManifestBroken(DetectorUnavailable):
    """`models.yaml` is not understood; says where."""


class ModelUnknown(DetectorUnavailable):
    """No such entry in the manifest."""


class RuntimeMissing(DetectorUnavailable):
    """onnxruntime is an optional extra, and it is not there."""


class ModelMissing(DetectorUnavailable):
    """No weight file of this name."""

    def __init__(self, name: str, path: Path, *, own: bool = False) -> None:
        move = "put it there, models.yaml names it" if own else "run `patrol models install`"
        super().__init__(f"model {name}: no file {path}; {move}")
        self.name = name
        self.path = path


class ModelBroken(DetectorUnavailable):
    """The weight file does not do what the manifest says."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"model {name}: {what}")
        self.name = name


class InstallFailed(DetectorUnavailable):
    """The weight file could not be got."""

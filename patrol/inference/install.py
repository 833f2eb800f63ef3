"""List and install the weight files of a manifest, for `patrol models` and `patrol check`.

How a file is taken out of a package is in patrol/package_files.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from patrol.inference.errors import InstallFailed
from patrol.inference.manifest import Manifest, ModelSpec, shipped
from patrol.package_files import PackageFile, PackageFileUnavailable, Progress, install_files


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """One entry of the manifest and the state of its file."""

    name: str
    purpose: str
    licence: str
    credit: str
    sha256: str
    path: Path
    state: str  # "ready", "missing", "broken"


def list_models(models_dir: Path | str, manifest: Manifest | None = None) -> Sequence[ModelState]:
    """Every entry; `broken` means that the file is not the one of the manifest."""
    entries = shipped() if manifest is None else manifest
    return [_model_state(spec, Path(models_dir)) for spec in entries.values()]


def install(
    models_dir: Path | str,
    from_dir: Path | str | None = None,
    progress: Progress | None = None,
    *,
    names: Sequence[str] | None = None,
    manifest: Manifest | None = None,
) -> Sequence[Path]:
    """Put every weight file (or those in `names`) in place; a file with the right hash stays.

    Raises InstallFailed after trying all: one unreachable package does not cost the others.
    """
    entries = shipped() if manifest is None else manifest
    wanted = [
        _package_file(spec) for spec in entries.values() if names is None or spec.name in names
    ]
    folder = None if from_dir is None else Path(from_dir)
    try:
        return install_files(wanted, Path(models_dir), folder, progress or (lambda _: None))
    except PackageFileUnavailable as exc:
        raise InstallFailed(str(exc)) from exc


def _package_file(spec: ModelSpec) -> PackageFile:
    return PackageFile(
        name=spec.name,
        file=spec.file,
        sha256=spec.sha256,
        licence=spec.licence,
        source=spec.source,
    )


def _model_state(spec: ModelSpec, models_dir: Path) -> ModelState:
    return ModelState(
        name=spec.name,
        purpose=spec.purpose,
        licence=spec.licence,
        credit=spec.credit,
        sha256=spec.sha256,
        path=spec.path(models_dir),
        state=_package_file(spec).state(models_dir),
    )

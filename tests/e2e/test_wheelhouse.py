"""installer/install.sh on a directory as `make wheelhouse` lays it, with one tiny wheel in it."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

INSTALLER = Path(__file__).parents[2] / "installer"
TAG = f"cp{sys.version_info[0]}{sys.version_info[1]}-{os.uname().machine}"
METADATA = "Metadata-Version: 2.1\nName: patrol\nVersion: {version}\nProvides-Extra: all\n"
INFO = "patrol-{version}.dist-info"


def tiny_wheel(folder: Path, version: str) -> Path:
    """A package `patrol` whose command prints its version."""
    info = INFO.format(version=version)
    files = {
        "patrol.py": f"def main():\n    print('patrol {version}')\n",
        f"{info}/METADATA": METADATA.format(version=version),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\npatrol = patrol:main\n",
    }
    path = folder / f"patrol-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
        wheel.writestr(
            f"{info}/RECORD", "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
        )
    return path


def lay(folder: Path, version: str, built_for: str = TAG) -> Path:
    """The directory of one version."""
    (folder / "wheels").mkdir(parents=True)
    wheel = tiny_wheel(folder / "wheels", version)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / "requirements.txt").write_text(f"patrol[all]=={version} --hash=sha256:{digest}\n")
    (folder / "BUILT_FOR").write_text(f"{built_for}\n")
    (folder / "docs").mkdir()
    (folder / "docs" / "page.md").write_text(version)
    shutil.copy(INSTALLER / "install.sh", folder)
    files = sorted(one for one in folder.rglob("*") if one.is_file())
    sums = [
        f"{hashlib.sha256(one.read_bytes()).hexdigest()}  ./{one.relative_to(folder)}\n"
        for one in files
    ]
    (folder / "SHA256SUMS").write_text("".join(sums))
    return folder


def install(
    folder: Path, prefix: Path, language: str = "C.UTF-8"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(folder / "install.sh"), str(prefix)], capture_output=True, text=True, check=False,
        timeout=120, env={**os.environ, "PYTHON": sys.executable, "LC_ALL": language},
    )  # fmt: skip


@pytest.mark.slow
def test_it_installs_and_upgrades_from_its_own_files(tmp_path: Path) -> None:
    prefix = tmp_path / "opt"
    for version in ("1.0", "1.1"):
        done = install(lay(tmp_path / version, version), prefix)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"patrol {version}\n")
        assert (prefix / "docs" / "page.md").read_text() == version


@pytest.mark.parametrize(("language", "text"), [("C.UTF-8", "损坏"), ("en_GB.UTF-8", "damaged")])
@pytest.mark.parametrize("name", ["wheels/patrol-1.0-py3-none-any.whl", "requirements.txt"])
def test_a_damaged_file_is_refused_before_anything_is_made(
    tmp_path: Path, name: str, language: str, text: str
) -> None:
    folder = lay(tmp_path / "folder", "1.0")
    with (folder / name).open("ab") as file:
        file.write(b"x")
    done = install(folder, tmp_path / "opt", language)
    assert (done.returncode, text in done.stderr) == (2, True)
    assert not (tmp_path / "opt").exists()


def test_a_package_for_another_python_is_refused(tmp_path: Path) -> None:
    done = install(lay(tmp_path / "folder", "1.0", "cp39-vax"), tmp_path / "opt")
    assert (done.returncode, "cp39-vax" in done.stderr, TAG in done.stderr) == (2, True, True)
    assert not (tmp_path / "opt").exists()


def test_the_scripts_are_shell_that_parses() -> None:
    for script in INSTALLER.glob("*.sh"):
        assert os.access(script, os.X_OK)
        subprocess.run(["sh", "-n", str(script)], check=True)

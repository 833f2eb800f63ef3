"""The wheel that `pip install .` makes: the product and its simulators, and none of the tests."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from patrol.administration.site_files import SITE_FILES

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_built_wheel_can_show_the_demo(tmp_path: Path) -> None:
    build = ["pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run([sys.executable, "-m", *build, str(ROOT)], check=True, timeout=150)
    (wheel,) = tmp_path.glob("patrol-*.whl")
    installed, empty = tmp_path / "installed", tmp_path / "empty"
    empty.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    top = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert top == {"patrol", "streams", "simulators"}
    for module in ("patrol", "simulators.rtsp_farm", "simulators.people.leaders"):
        arguments = ["demo", "--help"] if module == "patrol" else ["--help"]
        done = subprocess.run(
            [sys.executable, "-P", "-m", module, *arguments],
            cwd=empty, env={**os.environ, "PYTHONPATH": str(installed)}, timeout=60,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "--" in done.stdout
    made = subprocess.run(
        [sys.executable, "-P", "-m", "patrol", "init", "site"],
        cwd=empty, env={**os.environ, "PYTHONPATH": str(installed)}, timeout=60,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    for name, source in SITE_FILES.items():
        written = sorted((empty / "site" / name).glob("*")) or [empty / "site" / name]
        shipped = sorted((ROOT / source).glob("*")) or [ROOT / source]
        assert [file.name for file in written if file.is_file()] == [f.name for f in shipped]

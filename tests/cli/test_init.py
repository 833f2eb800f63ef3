"""`patrol init DIR`: a whole site that `check` and `db upgrade` take, and nothing overwritten."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from patrol.administration.site_files import SITE_FILES, SiteNotWritten, write_site
from patrol.settings import load_site

PROGRAM = Path(sys.executable).with_name("patrol")


def test_the_new_site_is_whole_and_loads(tmp_path: Path) -> None:
    place = tmp_path / "a" / "site"
    files = write_site(place, program=PROGRAM)
    assert {file.relative_to(place).parts[0] for file in files} == set(SITE_FILES)
    assert all(file.stat().st_size for file in files)
    assert place.stat().st_mode & 0o007 == 0
    assert load_site(place, env={}).registry.cameras
    assert (place / "site.yaml").read_text("utf-8").count("#") > 20, "commented"
    document = yaml.safe_load((place / "asyncapi.yaml").read_text("utf-8"))
    for channel in document["channels"].values():
        for message in channel["messages"].values():
            assert (place / message["payload"]["$ref"]).is_file()


def test_units_and_broker_files_name_this_site_and_program(tmp_path: Path) -> None:
    place = tmp_path / "site"
    write_site(place, program=PROGRAM)
    for folder in ("systemd", "mosquitto"):
        for file in (place / folder).iterdir():
            text = file.read_text("utf-8")
            assert "/etc/patrol" not in text, file
            assert "/opt/patrol/.venv" not in text, file
    unit = (place / "systemd/patrol.service").read_text("utf-8")
    assert f"ExecStart={PROGRAM} -c {place} run\n" in unit
    assert f"ReadWritePaths={place}" in unit


@pytest.mark.parametrize("name", [*SITE_FILES][:3])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine", "utf-8")
    with pytest.raises(SiteNotWritten, match="not overwritten"):
        write_site(tmp_path, program=PROGRAM)
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["two words", "percent%n", 'quo"te', "line\nend"])
def test_a_path_that_units_cannot_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(SiteNotWritten, match="cannot name"):
        write_site(tmp_path / name, program=PROGRAM)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_takes_the_units_and_finds_them_hardened(tmp_path: Path) -> None:
    place = tmp_path / "site"
    write_site(place, program=PROGRAM)
    units = [str(file) for file in sorted((place / "systemd").iterdir())]
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    ours = [line for line in verified.stderr.splitlines() if "patrol" in line]
    assert (verified.returncode, ours) == (0, [])
    for unit in ("patrol.service", "patrol-backup.service"):
        security = ["systemd-analyze", "security", "--offline=yes", "--threshold=40"]
        judged = subprocess.run(
            [*security, str(place / "systemd" / unit)], capture_output=True, text=True, check=False
        )
        assert judged.returncode == 0, judged.stdout[-300:]

"""The manual page: every verb, option and group in it, valid roff, one language."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from patrol.cli.man import manual_page
from patrol.cli.root import command_tree, run
from patrol.cli.verbs import GROUPS, VERBS
from patrol.domain.reader_language import set_reader_language


@pytest.fixture(scope="module", params=["zh", "en"])
def page(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    set_reader_language(request.param)
    yield request.param, manual_page(command_tree())
    set_reader_language("zh")


def plain(roff: str) -> str:
    """The words without roff's escapes."""
    return re.sub(r"\\f[BR]|\\&", "", roff).replace("\\-", "-").replace("\\e", "\\")


def test_every_verb_and_group_stands_in_it_once(page: tuple[str, str]) -> None:
    lines = plain(page[1]).splitlines()
    headed = [line for before, line in pairwise(lines) if before == ".TP"]
    for path in VERBS:
        found = [one for one in headed if re.match(rf"patrol {re.escape(path)}( [A-Z\[]|$)", one)]
        assert len(found) == 1, (path, found)
    for group in GROUPS:
        assert f'.SS "patrol {group}"' in lines


def test_every_option_of_a_verb_stands_below_it(page: tuple[str, str]) -> None:
    tree, text = command_tree(), plain(page[1])
    for path in ("notify test", "round", "backup", "user add"):
        *group, name = path.split()
        command = (tree.commands[group[0]] if group else tree).commands[name].load()
        below = text.partition(f"\npatrol {path}")[2].partition(".RE\n")[0]
        options = [one for parameter in command.params for one in parameter.opts if one[0] == "-"]
        assert options
        assert [one for one in options if one not in below] == []


def test_it_is_in_one_language(page: tuple[str, str]) -> None:
    language, text = page
    chinese = re.findall(r"[\u3400-\u9fff]", text)
    assert bool(chinese) == (language == "zh"), "".join(chinese[:40])
    prose = re.compile(r"(\b[a-z]{3,} ){4}")
    if language == "zh":
        assert [line for line in plain(text).splitlines() if prose.search(line)] == []


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_roff_has_no_warnings(page: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "patrol.1").write_text(page[1], "utf-8")
    done = subprocess.run(
        ["groff", "-k", "-man", "-ww", "-Tutf8", "-z", str(tmp_path / "patrol.1")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    wrong = [
        line for line in done.stderr.splitlines() if "adjust" not in line and "break" not in line
    ]
    assert (done.returncode, wrong) == (0, [])


def test_the_verb_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["man", "--out", str(tmp_path / "patrol.1")]) == 0
    capsys.readouterr()
    assert run(["man"]) == 0
    assert capsys.readouterr().out == (tmp_path / "patrol.1").read_text("utf-8")
    assert (tmp_path / "patrol.1").stat().st_mode & 0o777 == 0o644

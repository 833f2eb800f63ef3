"""A database that may not be written is one clear line in every verb, and in `run`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from patrol.cli.verbs import VERBS
from tests.cli.conftest import GB28181_SOURCES
from tests.support.peak_memory import ROOT
from tests.support.store import copy_template

NEEDS_MORE = {  # verbs that ask for something before they open the database
    "confirm": ["L1"], "dismiss": ["L1", "--reason", "false_alarm"], "unsure": ["L1"],
    "case": ["C1"], "accept": ["000001"], "round": ["morning"], "pause": ["--reason", "x"],
    "phoned": ["C1", "--note", "x"], "who-looked": ["000001"], "consent withdraw": ["000001"],
    "consent restore": ["000001"], "user disable": ["x"], "user enable": ["x"],
    "user unlock": ["x"], "key add": ["x", "--scope", "cases:read"], "key revoke": ["K1"],
    "deliveries retry": ["mqtt", "x"], "deliveries drop": ["mqtt", "x", "--why", "x"],
    "maintenance add": ["--link", "v203", "--reason", "x"], "maintenance end": ["1"],
    "handover give": ["--to", "x"], "suppress revoke": ["1"], "close": ["C1", "--why", "x"],
    "reopen": ["C1", "--why", "x"],
    "grant": ["C1"], "unsuspend": ["C1"], "household": ["000001"],
    "gb catalog": ["town"], "gb sync": ["town"], "gb record": ["--out", "messages.jsonl"],
    "consent pause": ["000001", "--until", "2099-01-01"], "consent resume": ["000001"],
    "consent hours": ["000001", "08:00-12:00"], "credentials set": ["000001"],
    "hold add": ["--camera", "000001", "--reference", "1", "--why", "x"],
    "hold end": ["1", "--why", "x"],
    "finding file": ["--category", "dumping", "--camera", "000001"], "finding undo": ["F1"],
    "finding history": ["F1"], "duty sign": ["R1"], "duty hand-over": ["R1", "--to", "x"],
    "duty list": ["R1"], "human-patrol plan": ["x"], "human-patrol show": ["P1"],
    "human-patrol start": ["P1"], "human-patrol pause": ["P1"], "human-patrol resume": ["P1"],
    "human-patrol check": ["P1", "000001"], "human-patrol finish": ["P1"],
    "human-patrol tick": ["P1", "1"], "withdraw": ["C1"],
    "supervise": ["C1", "--why", "x"], "urge": ["C1", "--why", "x"], "tags case": ["C1"],
    "tags grid": ["620902104203001"], "hand-off give": ["C1", "--to", "police", "--why", "x"],
    "hand-off answer": ["H1"], "broadcast ask": ["C1"], "broadcast decide": ["B1"],
    "meeting": ["--period", "2026-11", "--out", "pack.html"], "replay": ["R1"],
    "ground show": ["G1"], "ground check-in": ["G1", "000001", "--person", "x"],
    "ground decide": ["K1"], "ground ledger": ["--out", "ledger.xlsx"], "helper open": ["C1"],
    "helper close": ["C1"], "helper step": ["C1", "going", "--person", "x"],
    "helper report": ["--grid", "620902104203001", "--text", "x"],
    "people set": ["person_id=x"], "people remove": ["x"], "people import": ["people.csv"],
    "leave add": ["x", "--from", "2099-01-01", "--until", "2099-01-02"], "leave end": ["x", "x"],
}  # fmt: skip
WITHOUT_DATABASE = {
    "demo", "check", "probe", "eval", "restore", "backup", "models install", "models list",
    "assets install", "assets list", "simulate cameras", "simulate leaders", "mosquitto write",
    "report",
    "user add", "user passwd", "init", "onvif scan", "onvif probe", "ticket devices", "keys show",
    "man", "notify test", "worker",
}  # fmt: skip
# The store of a county is its own; that of a cluster is no file.
GROUPS_WITHOUT_DATABASE = ("bench ", "county ", "cluster ")
# More options than a database: they are refused for what is missing before it is opened.
ASKS_FIRST = {"reassign", "extend", "suspend", "void", "refuse", "verify"}
_RUN = """
import contextlib, io, json, sys
from patrol.cli.root import run
answers = {}
for verb, more in json.loads(sys.stdin.read()).items():
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(["-c", sys.argv[1], *verb.split(), *more])
    answers[verb] = [code, err.getvalue()]
print(json.dumps(answers))
"""
ORDINARY_USER = (  # root may write what nobody may, unless it gives that right up
    ["setpriv", "--bounding-set=-dac_override,-dac_read_search",
     "--inh-caps=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("grids.csv", "people.csv", "cameras.csv"):
        (tmp_path / name).write_bytes((ROOT / "config" / name).read_bytes())
    (tmp_path / "store").mkdir()
    copy_template(tmp_path / "store/patrol.db")
    (tmp_path / "site.yaml").write_text(
        """
site: {id: shangba, name: 上坝镇, latitude: 39.6, longitude: 98.75}
database: sqlite:///store/patrol.db
evidence: evidence
objects: false
console: {enabled: false}
mqtt: {url: "mqtt://127.0.0.1:9"}
""",
        "utf-8",
    )
    (tmp_path / "sources.yaml").write_text(GB28181_SOURCES, "utf-8")
    return tmp_path


def answers(folder: Path, verbs: dict[str, list[str]]) -> dict[str, tuple[int, str]]:
    done = subprocess.run(
        [*ORDINARY_USER, sys.executable, "-c", _RUN, str(folder)], input=json.dumps(verbs),
        capture_output=True, text=True, timeout=120, check=False, cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {verb: (code, text) for verb, (code, text) in json.loads(done.stdout).items()}


@pytest.mark.parametrize(("directory", "file"), [(0o555, 0o444), (0o555, 0o644)])
def test_every_verb_names_it_in_one_line(folder: Path, directory: int, file: int) -> None:
    verbs = {
        verb: NEEDS_MORE.get(verb, [])
        for verb in VERBS
        if verb not in WITHOUT_DATABASE | ASKS_FIRST
        and not verb.startswith(GROUPS_WITHOUT_DATABASE)
    }
    store = folder / "store"
    (store / "patrol.db").chmod(file)
    store.chmod(directory)
    try:
        found = answers(folder, verbs)
    finally:
        store.chmod(0o755)
    wrong = {
        verb: (code, text)
        for verb, (code, text) in found.items()
        if code != 1 or len(text.splitlines()) != 1 or "不能写这个数据库" not in text
    }
    assert not wrong
    assert len(found) > 30


def test_a_writable_directory_is_not_enough_to_write(folder: Path) -> None:
    (folder / "store/patrol.db").chmod(0o444)
    found = answers(folder, {"pause": ["--reason", "x"], "run": [], "round": ["morning"]})
    for code, text in found.values():
        assert code == 1
        assert len(text.splitlines()) == 1
        assert str(folder / "store/patrol.db") in text

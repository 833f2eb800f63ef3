"""What `--json` answers: the names in every document and their kinds, on the small site.

The values are masked: a text is "text", a number "number". Where members of a list differ, what
only some have is marked with `?`.
"""

import json
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

Photograph = Callable[[str, str], None]
CAMERA = "62090204011327000001"
BY = ["--by", "tester"]
CASE, ROUND = "C20261130-0007", "20261130-morning-1"
LEADER = "leader-200001"
PATROL = "PATROL"  # stands for the id of the task that was planned, which has the day in it
GROUND, WALKER, CHECK_IN = "GROUND", "WALKER", "CHECK-IN"
# Each group has a site of its own and runs beside the others: what tells somebody something waits
# two seconds for a broker. Within a group, what is asked later sees what was done before.
GROUPS: tuple[tuple[list[str], ...], ...] = (
    (
        ["queue"], ["cases"], ["case", "C20261130-0011"], ["handover", "show"],
        ["handover", "list"], ["health"], ["health", CAMERA], ["troubles"],
        ["clock"], ["clock", "accept", *BY],
        ["suppressions", "--all"], ["consent", "list"], ["user", "list"], ["key", "list"],
        ["deliveries", "list"], ["maintenance", "list"], ["who-looked", CAMERA],
        ["models", "list"], ["assets", "list"], ["db", "check"], ["db", "upgrade"],
        ["probe", "rtsp://127.0.0.1:9/nobody"], ["dismiss", "F000537", "--reason", "shadow", *BY],
        ["unsure", "F000042", *BY], ["phoned", "C20261130-0007", "--note", "已电话", *BY],
        ["consent", "resume", CAMERA, *BY], ["consent", "hours", CAMERA, "08:00-18:00", *BY],
        ["household", CAMERA, *BY], ["consent", "hours", CAMERA, "any", *BY],
        ["consent", "withdraw", CAMERA, *BY], ["consent", "restore", CAMERA, *BY],
        ["db", "sweep"],
        ["key", "add", "second", "--scope", "cases:read", *BY],
        ["user", "add", "anna", "--duty", "operator", "--password-stdin", *BY],
        [
            "maintenance", "add", "--camera", CAMERA, "--reason", "x",
            "--until", "2098-01-01 00:00", *BY,
        ],
        ["maintenance", "end", "4", *BY], ["pause", "--reason", "x", *BY], ["resume", *BY],
        ["suppress", "revoke", "7", *BY], ["troubles", "--take", "1", *BY],
        ["handover", "give", "--to", "another", "--by", "li"],
        ["handover", "take", "--by", "another"],
        ["report", "--day", "2026-11-30", "--out", "day.json"],
        ["mosquitto", "write", "--out", "broker"], ["backup", "--out", "all.tar"],
        ["restore", "all.tar", "--check"], ["retention"], ["audit", "head"], ["audit", "verify"],
        ["hold", "add", "--camera", CAMERA, "--reference", "12", "--why", "x", *BY],
        ["hold", "list", "--all"], ["hold", "end", "1", "--why", "y", *BY],
        ["replay", ROUND], ["replay", ROUND, "--set", "blur_ratio=0.7"],
        ["keys", "show"], ["keys", "renew"], ["credentials", "seal", *BY], ["credentials", "list"],
    ),
    (
        ["confirm", "F000044", "--level", "I", "--phoned", "0937", *BY],
        ["reassign", "C20261130-0017", "--to", "620902104200004", *BY],
        ["extend", "C20261130-0009", "--hours", "2", "--why", "远", *BY],
        ["grant", "C20261130-0009", "--by", "another"],
        ["void", "C20261130-0009", "--why", "看错", *BY], ["withdraw", "C20261130-0009", *BY],
    ),
    (
        ["suspend", "C20261130-0010", "--why", "雪", *BY],
        ["refuse", "C20261130-0010", "--why", "不", "--by", "another"],
        ["unsuspend", "C20261130-0023", *BY], ["void", "C20261130-0008", "--why", "重复", *BY],
    ),
    (
        ["verify", "C20261130-0011", "--gone", *BY],
        ["close", "C20261130-0016", "--why", "无", *BY],
        ["reopen", "C20261130-0012", "--why", "又", *BY], ["check"],
        ["round", "morning", "--camera", CAMERA],
    ),
    (
        ["people", "list"], ["people", "set", f"person_id={LEADER}", "name=甲", *BY],
        ["people", "history"], ["people", "import", "config/people.csv", *BY],
        ["leave", "add", LEADER, "--from", "2030-06-01", "--until", "2030-06-02", "--note", "病假",
         *BY],
        ["leave", "list"], ["leave", "end", LEADER, "2030-06-01", *BY],
        ["people", "remove", "elder-200001", *BY],
    ),
    (
        ["overdue"], ["supervise", CASE, "--why", "急", *BY], ["urge", CASE, "--why", "再催", *BY],
        ["tags", "case", CASE, "四网融合", *BY], ["tags", "grid", "620902104200001", "重点", *BY],
        ["hand-off", "give", CASE, "--to", "police", "--why", "警", *BY], ["hand-off", "list"],
        ["hand-off", "answer", "H000001", "--text", "已处理", *BY],
        ["broadcast", "ask", CASE, "--text", "请注意安全", *BY],
        ["broadcast", "list"], ["approvals"], ["verifications"],
        ["broadcast", "decide", "B000001", "approve", "--by", "another"],
        ["finding", "file", "--category", "dumping", "--camera", CAMERA, "--text", "看到", *BY],
        ["dismiss", "F000537", "--reason", "shadow", "--by", "first"],
        ["finding", "undo", "F000537", "--by", "first"], ["finding", "history", "F000537"],
        ["finding", "list"],
        ["duty", "sign", ROUND, *BY], ["duty", "hand-over", ROUND, "--to", "zhang", *BY],
        ["duty", "list", ROUND],
        ["human-patrol", "plan", "evening"], ["human-patrol", "list"],
        ["human-patrol", "show", PATROL], ["human-patrol", "start", PATROL, *BY],
        ["human-patrol", "check", PATROL, CAMERA, *BY], ["human-patrol", "pause", PATROL, *BY],
        ["human-patrol", "tick", PATROL, "1", *BY],
        ["human-patrol", "resume", PATROL, *BY], ["human-patrol", "finish", PATROL, *BY],
        ["ground", "plan"], ["ground", "list"], ["ground", "show", GROUND],
        [
            "ground", "check-in", GROUND, "W-1", "--person", WALKER, "--key", "k1",
            "--at", "2020-01-01T00:00:00Z", *BY,
        ],
        ["ground", "review"], ["ground", "decide", CHECK_IN, "--by", "another"],
        ["ground", "codes"], ["ground", "coverage"],
        ["ground", "ledger", "--format", "json", "--out", "ground.json"],
        ["helper", "open", CASE, *BY], ["helper", "cases"],
        ["helper", "step", CASE, "going", "--person", LEADER], ["helper", "close", CASE, *BY],
        ["helper", "report", "--grid", "620902104200001", "--text", "垃圾", *BY],
        ["helper", "reports"],
        ["meeting", "--period", "2026-11", "--out", "pack.html"], ["init", "new"],
        ["gb", "peers"], ["gb", "catalog", "town"], ["gb", "alarms"],
    ),
)  # fmt: skip
TOWN = """
patrols:
  evening: {title: 晚间, start: "00:01", finish_by: "00:00", early_min: 720, look_twice: true,
            checklist: [看门窗],
            checkpoints: [{title: 一村, village: "620902104200000", size: 16}]}
ground_patrols:
  patterns: {"7": {"7": {means: 每天, who: [grid_leader], every_days: 1}}}
  plans:
    beat: {title: 巡防, pattern: "7", start: "00:01", finish_by: "00:00",
           grids: ["620902104200001"]}
hand_off: {police: {title: 派出所, channel: print}}
broadcast:
  speakers: {town: {title: 喇叭, grid: "620902104000000", driver: mqtt}}
  quiet_from: "00:00"
  quiet_until: "00:01"
"""
SOURCES = """
gb28181:
  id: "62090210002000000001"
  host: 127.0.0.1
  peers: {town: {id: "62090210002000000002", password: x}}
"""
LINES = [line for group in GROUPS for line in group]
NOT_RUN = {
    "accept": "needs a picture that is still there",
    "assets install": "downloads", "models install": "downloads",
    "bench alerts": "minutes", "bench cluster": "minutes", "bench gb28181": "minutes",
    "cluster status": "needs PostgreSQL",
    "notify test": "sends by every notifier; tests/cli/test_notify.py",
    "gb sync": "needs a peer", "bench capture": "minutes", "bench console": "minutes",
    "bench lists": "minutes", "bench mqtt": "minutes", "bench round": "minutes",
    "bench vision": "minutes",
    "consent pause": "ends on a day of this year; answers as `consent resume`",
    "county check": "asks towns", "county month": "needs a county.yaml",
    "county pull": "asks towns", "county status": "needs a county.yaml",
    "credentials set": "asks for a password", "demo": "minutes", "eval": "minutes",
    "onvif probe": "needs a device", "onvif scan": "asks the network",
    "ticket devices": "needs a service",
}  # fmt: skip


def shape(values: Iterable[Any]) -> Any:
    """What these have in common: names, and kinds of values."""
    values = list(values)
    kinds = sorted({kind(value) for value in values})
    objects = [value for value in values if isinstance(value, dict)]
    lists = [value for value in values if isinstance(value, list)]
    if kinds == ["object"]:
        members: dict[str, list[Any]] = {}
        for value in objects:
            for name, member in value.items():
                members.setdefault(masked(name), []).append(member)
        every = {masked(name) for name in objects[0]}.intersection(*map(names, objects))
        return {
            (name if name in every else f"{name}?"): shape(found)
            for name, found in sorted(members.items())
        }
    if kinds == ["list"]:
        return [shape(member for value in lists for member in value)] if any(lists) else []
    if objects or lists:
        return {" or ".join(kinds): shape([*objects] or [*lists])}
    return " or ".join(kinds)


def names(value: dict[str, Any]) -> set[str]:
    return {masked(name) for name in value}


def masked(name: str) -> str:
    """A camera's, a grid's, a round's own number is no name of ours."""
    return re.sub(r"[0-9]{5,}", "N", name)


def kind(value: Any) -> str:
    by_type = {dict: "object", list: "list", str: "text", bool: "yes/no", type(None): "nothing"}
    return by_type.get(type(value), "number")


@pytest.fixture(scope="module")
def answers(copied: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The documents by their command line."""
    sites = [copied(tmp_path_factory.mktemp("answers") / "site") for _ in GROUPS]

    town = sites[-1]
    with (town.home / "config/site.yaml").open("a", encoding="utf-8") as settings:
        settings.write(TOWN)
    (town.home / "config/sources.yaml").write_text(SOURCES, "utf-8")
    points = "point_id,name,kind,grid_code\nW-1,渠口,grid,620902104200001\n"
    (town.home / "config/points.csv").write_text(points, "utf-8")
    ground = town.ask("ground", "plan")[0]
    given = {
        PATROL: town.ask("human-patrol", "plan", "evening")["id"], GROUND: ground["id"],
        WALKER: ground["people"][0], CHECK_IN: f"{ground['id']}/{ground['people'][0]}/k1",
    }  # fmt: skip

    def run(site: Any, group: tuple[list[str], ...]) -> list[Any]:
        lines = ([given.get(word, word) for word in line] for line in group)
        return list(site.run(*([*line, "--json"] for line in lines)))

    with ThreadPoolExecutor() as pool:
        ended = [one for group in pool.map(run, sites, GROUPS) for one in group]
    spoiled = [(line, e.err) for line, e in zip(LINES, ended, strict=True) if not e.out]
    assert spoiled == []
    return {" ".join(line): json.loads(e.out) for line, e in zip(LINES, ended, strict=True)}


def test_every_verb_answers_with_the_same_names(
    answers: dict[str, Any], photograph: Photograph
) -> None:
    shapes = {line: shape([document]) for line, document in answers.items()}
    photograph("answers.json", json.dumps(shapes, ensure_ascii=False, indent=1))


def test_no_verb_with_json_is_left_out(helps: dict[str, str]) -> None:
    asked = {verb for verb, text in helps.items() if "--json" in text}
    run = {verb for verb in helps for line in LINES if line[: len(verb.split())] == verb.split()}
    assert asked - run - NOT_RUN.keys() == set()
    assert NOT_RUN.keys() <= asked


@pytest.mark.parametrize("part", ["ledger", "figures", "grids", "cameras"])
def test_the_columns_of_reports(site: Any, photograph: Photograph, part: str) -> None:
    line = ["report", "--day", "2026-11-30", "--format", "csv", "--part", part, "--out", part]
    (ended,) = site.run(line)
    assert ended.code == 0, ended.err
    header = (site.home / part).read_text("utf-8-sig").splitlines()[0]
    photograph(f"columns/{part}.txt", "\n".join(header.split(",")))

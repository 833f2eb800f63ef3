"""A small site on disk, and the command line run in this process, ended and read."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from patrol.cli.root import run
from patrol.domain import problem_texts
from patrol.domain.finding import Finding
from patrol.domain.ids import CameraId, FindingId, GridCode, RoundId
from patrol.domain.observation import Subject
from patrol.domain.priority import Level
from patrol.domain.round import PlannedVisit, Round, RoundEvent, Visit, VisitOutcome
from patrol.mqtt.embedded_broker import free_port
from patrol.store import open_store, upgrade

CAMERA = CameraId("62090204011327000001")
CAMERA_2 = CameraId("62090204011327000002")
GROUP = GridCode("620902104203001")
SITE = """\
site: {{id: small, name: 小镇, code: "620902104", latitude: 39.6, longitude: 98.75}}
database: "sqlite:///{home}/patrol.db"
evidence: "{home}/evidence"
models: "{home}/models"
objects: false
mqtt: {{url: {broker}}}
console: {{port: 0}}
"""
GRIDS = """\
grid_code,name,level,parent
620902104000000,小镇,town,
620902104203000,一村,village,620902104000000
620902104203001,一村一组,group,620902104203000
"""
PEOPLE = """\
person_id,name,role,grid_code,mqtt_user,phone,substitute_for
T1,镇值班,town_duty,620902104000000,T1,,
M1,运维,maintainer,620902104000000,M1,,
V1,村班子,village_cadre,620902104203000,V1,,
L1,网格长,grid_leader,620902104203001,L1,,
L2,党小组长,party_group_leader,620902104203001,L2,,L1
"""
CAMERAS = """\
camera_id,name,grid_code,url,outdoor,consent,consent_until
62090204011327000001,一号,620902104203001,rtsp://u:s3cret@127.0.0.1:9/a,yes,granted,{until}
62090204011327000002,二号,620902104203001,rtsp://127.0.0.1:9/b,no,granted,{until}
"""
GB28181_SOURCES = """\
gb28181:
  id: "62090210002000000001"
  host: 127.0.0.1
  peers:
    town: {id: "62090210002000000002", password: x}
"""
NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Ended:
    """How a command line ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@dataclass
class CliSite:
    """A site's directory and the commands run on it."""

    home: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Ended:
        self.capsys.readouterr()
        code = run(["-c", str(self.home / "config"), *arguments])
        out, err = self.capsys.readouterr()
        return Ended(code, out, err)

    def write(self, name: str, text: str) -> None:
        (self.home / "config" / name).write_text(text, encoding="utf-8")

    def spoil(self, name: str, old: str, new: str) -> None:
        path = self.home / "config" / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    @property
    def database(self) -> str:
        return f"sqlite:///{self.home}/patrol.db"

    def seed_round(self, findings: int = 1) -> Round:
        """A finished morning round: one camera seen, one not, so many findings."""
        planned = Round(
            id=RoundId("20261122-morning-1"), plan="morning", day=date(2026, 11, 22),
            planned_at=NOON, finish_by=NOON + timedelta(hours=1), planned=2,
            refused={"indoor": 1},
        )  # fmt: skip
        started = planned.apply_event(RoundEvent.START, at=NOON)
        visits = [
            Visit(round=planned.id, camera=CAMERA, outcome=VisitOutcome.PROBLEM, started_at=NOON,
                  finished_at=NOON, usable_pictures=2, faults=("blur",)),
            Visit(round=planned.id, camera=CAMERA_2, outcome=VisitOutcome.NOT_VIEWABLE,
                  started_at=NOON, finished_at=NOON, failure="unreachable",
                  seen="connection refused"),
        ]  # fmt: skip
        with open_store(self.database) as store, store.begin() as uow:
            rows = [PlannedVisit(round=planned.id, camera=v.camera, order=n)
                    for n, v in enumerate(visits)]  # fmt: skip
            uow.rounds.add(planned, rows)
            uow.rounds.put(started)
            for visit in visits:
                assert uow.rounds.record_visit(visit)
            uow.rounds.put(started.apply_event(RoundEvent.FINISH, at=NOON + timedelta(minutes=1)))
            for number in range(1, findings + 1):
                uow.findings.add(replace(_finding(planned.id), id=FindingId(f"F{number:06d}")))
            uow.commit()
        return planned


def _finding(round_id: RoundId) -> Finding:
    return Finding(
        id=FindingId("F000001"), camera=CAMERA, grid=GROUP, round=round_id, subject=Subject.SCENE,
        kind="blocking_vehicle", score=0.82, found_at=NOON, why="区域「路口」内发现货车",
        level=Level.ORDINARY, category="blocking_vehicle", zone="路口",
        gauge="yolox_nano/615e2661",
    )  # fmt: skip


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "patrol.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def make_cli_site(
    tmp_path: Path,
    empty_database: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], CliSite]:
    def make(broker: str) -> CliSite:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "config").mkdir()
        cli_site = CliSite(tmp_path, capsys)
        shutil.copy(empty_database, tmp_path / "patrol.db")  # as `db upgrade` makes it
        cli_site.write("site.yaml", SITE.format(home=tmp_path, broker=broker))
        cli_site.write("grids.csv", GRIDS)
        cli_site.write("people.csv", PEOPLE)
        until = datetime.now(UTC).date() + timedelta(days=100)  # noqa: TID251  the CLI's own clock
        cli_site.write("cameras.csv", CAMERAS.format(until=until))
        return cli_site

    return make


@pytest.fixture
def cli_site(make_cli_site: Callable[[str], CliSite]) -> CliSite:
    """A site whose broker is embedded."""
    return make_cli_site("embedded")


@pytest.fixture
def site_without_broker(make_cli_site: Callable[[str], CliSite]) -> CliSite:
    """A site whose broker is not there."""
    return make_cli_site(f"mqtt://127.0.0.1:{free_port()}")


CHINESE = re.compile(r"[\u3400-\u9fff]")
ENGLISH = re.compile(r"\b[a-z]{2,}\b")  # words: ids have other characters, too
ADDRESS = re.compile(r"\S+://\S+")
SENTENCE_WORDS = 3


@pytest.fixture(autouse=True)
def _problems_as_raised(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Most tests here are of what is refused, and read it as raised, in English.

    That a Chinese reader would get it in Chinese is held all the same, of every line of every test;
    those of the reader's language set PATROL_LANGUAGE, and get what that reader gets.
    """
    in_chinese = problem_texts._line_in_chinese
    english: list[str] = []

    def shown(line: str) -> str:
        chinese = in_chinese(line)
        if os.environ.get("PATROL_LANGUAGE"):
            return chinese
        words = ENGLISH.findall(ADDRESS.sub("", chinese))
        if not CHINESE.search(chinese) and len(words) >= SENTENCE_WORDS:
            english.append(line)
        return line

    monkeypatch.setattr(problem_texts, "_line_in_chinese", shown)
    yield
    assert english == []


@pytest.fixture(autouse=True)
def _logs_as_before() -> Any:
    yield
    structlog.reset_defaults()

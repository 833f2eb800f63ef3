"""`patrol run` on a machine whose wall clock is set: while it runs, and at its start."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from patrol.clock import SystemClock, machine_boot, running_s
from patrol.domain.round import Round, RoundState
from patrol.domain.wall_clock import ClockRecord, ClockTrust, SeenTime
from patrol.mqtt.embedded_broker import free_port
from patrol.store import StoreUnavailable, open_store
from tests.e2e.site import PatrolSite, wait_for
from tests.support.fake_time import FakeWallClock

ZONE = ZoneInfo("Asia/Shanghai")
SITE = """\
site: {{id: small, name: 小镇, code: "620902104", latitude: 39.6, longitude: 98.75}}
database: "sqlite:///{home}/patrol.db"
evidence: "{home}/evidence"
objects: false
mqtt: {{url: "mqtt://127.0.0.1:{port}"}}
console: {{enabled: false}}
metrics: {{enabled: false}}
plans:
  morning: {{start: "09:00", finish_by: "10:30"}}
  afternoon: {{start: "15:00", finish_by: "17:30"}}
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
"""
CAMERAS = """\
camera_id,name,grid_code,url,outdoor,consent,consent_until
62090204011327000001,一号,620902104203001,rtsp://127.0.0.1:9/a,yes,granted,{until}
"""
MINUTE, HOUR, DAY = 60, 3600, 86400
pytestmark = pytest.mark.slow


@dataclass
class SteppedSite:
    """A site whose service has a wall clock of its own."""

    site: PatrolSite
    clock: FakeWallClock
    nine_five_s: int  # offset at which it is 09:05 there now

    def rounds(self) -> list[Round]:
        """All rounds, oldest first."""
        with open_store(self.site.database) as store, store.begin_read() as uow:
            return [
                *reversed(uow.rounds.of_plan("morning", limit=1000)),
                *reversed(uow.rounds.of_plan("afternoon", limit=1000)),
            ]

    def record(self) -> ClockRecord | None:
        """What the service believes of the clock."""
        with open_store(self.site.database) as store, store.begin_read() as uow:
            return uow.clock.get()

    def walked(self, plan: str) -> bool:
        """Whether a round of the plan is finished, in its own window."""
        try:
            rounds = self.rounds()
        except StoreUnavailable:  # its tables are being made just now
            return False
        return any(
            one.plan == plan and one.state is RoundState.FINISHED and not one.misdated
            for one in rounds
        )

    def log_has(self, event: str) -> bool:
        """Whether the service's log has the event."""
        log = self.site.folder / "run.log"
        return log.exists() and event in log.read_text("utf-8")


@pytest.fixture
def stepped(tmp_path: Path) -> Iterator[SteppedSite]:
    clock = FakeWallClock(tmp_path)
    now = SystemClock().now().astimezone(ZONE)
    nine_five = datetime.combine(now.date() + timedelta(days=1), time(9, 5), ZONE)
    until = now.date() + timedelta(days=300)
    port = free_port()
    texts = {
        "site.yaml": SITE.format(home=tmp_path, port=port),
        "grids.csv": GRIDS,
        "people.csv": PEOPLE,
        "cameras.csv": CAMERAS.format(until=until),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, "utf-8")
    site = PatrolSite(tmp_path, environment=clock.environment)
    yield SteppedSite(site, clock, int((nine_five - now).total_seconds()))
    site.end()


def test_hours_ahead_at_the_start_the_morning_is_visited_all_the_same(stepped: SteppedSite) -> None:
    stepped.clock.set(stepped.nine_five_s + 4 * HOUR)
    stepped.site.start("run")
    wait_for("it runs", lambda: stepped.log_has("Ctrl-C"))
    wait_for("it has kept the clock", lambda: stepped.record() is not None)
    stepped.clock.set(stepped.nine_five_s)
    wait_for("the morning is visited", lambda: stepped.walked("morning"))
    assert [one.state for one in stepped.rounds()] == [RoundState.FINISHED]


@pytest.mark.parametrize(
    "jump",
    [
        pytest.param(40 * DAY, marks=pytest.mark.soak),
        400 * DAY,
        pytest.param(-3 * DAY, marks=pytest.mark.soak),
    ],
)
def test_a_jump_while_it_runs_leaves_nothing(stepped: SteppedSite, jump: int) -> None:
    stepped.clock.set(stepped.nine_five_s)
    child = stepped.site.start("run")
    wait_for("the morning is visited", lambda: stepped.walked("morning"))
    stepped.clock.set(stepped.nine_five_s + jump)
    jumped = SystemClock().monotonic_s()
    wait_for("another six seconds of it", lambda: SystemClock().monotonic_s() - jumped > 6)
    stepped.clock.set(stepped.nine_five_s)
    moved = SystemClock().monotonic_s()
    wait_for("six seconds after it", lambda: SystemClock().monotonic_s() - moved > 6)
    assert child.poll() is None
    before = [one for one in stepped.rounds() if one.plan == "morning" and not one.misdated]
    assert [one.state for one in before] == [RoundState.FINISHED]
    assert not [one for one in stepped.rounds() if one.state is RoundState.MISSED]


@pytest.mark.soak
def test_a_clock_that_was_believed_is_not_left_for_another(stepped: SteppedSite) -> None:
    """Within one start of the machine the seconds are counted, also while no service runs."""
    stepped.clock.set(stepped.nine_five_s)
    first = stepped.site.start("run")
    wait_for("the morning is visited", lambda: stepped.walked("morning"))
    first.terminate()
    assert first.wait(20) == 0
    _believe_now(stepped)
    stepped.clock.set(stepped.nine_five_s + 40 * DAY)
    stepped.site.start("run")
    wait_for("it is noticed", lambda: stepped.log_has('"the clock is not believed"'))
    shown = stepped.site.patrol("clock", "--json", check=False)
    assert (shown.returncode, '"history": "held"' in shown.stdout) == (1, True)
    stepped.site.patrol("clock", "accept", "--by", "值班长")
    wait_for("it is believed", lambda: stepped.log_has("the clock is believed again"))
    record = stepped.record()
    assert record is not None
    assert record.trust is ClockTrust.TRUSTED


def _believe_now(stepped: SteppedSite) -> None:
    """Write the present time as a believed one: half a minute without a step is long for a test."""
    at = SystemClock().now() + timedelta(seconds=stepped.nine_five_s)
    seen = SeenTime(at=at, running_s=running_s(), boot=machine_boot())
    with open_store(stepped.site.database) as store, store.begin() as uow:
        uow.clock.put(ClockRecord(trust=ClockTrust.TRUSTED, since=at, seen=seen))
        uow.commit()

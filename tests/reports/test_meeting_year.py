"""The month's pack of a year's data: at most 2 s and 2 MB of html."""

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from patrol.domain.case import CaseEvent
from patrol.domain.ids import CameraId, CaseId, GridCode
from patrol.domain.round import Round, RoundState
from patrol.reports.meeting import PackHeading, load_pack, parse_period, parse_scope
from patrol.reports.meeting_files import PACK_FORMATS
from patrol.settings import load_site
from patrol.store import open_store, upgrade
from patrol.store.schema import visits
from simulators import small_site
from simulators.town.history import write_history
from tests.support.case_system import CaseSystem

CASES_A_DAY = 10
MOST_BYTES = 2 * 1024 * 1024
MOST_SECONDS = 2.0


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_the_months_pack_of_a_years_data(tmp_path: Path) -> None:
    folder, now = tmp_path / "town", small_site.NOON
    write_history(folder, cameras=624, days=1, now=now, seed=3)
    site = load_site(folder)
    registry, zone = site.registry, site.settings.site.tz
    url = f"sqlite:///{tmp_path}/year.db"
    upgrade(url)
    cameras, groups = list(registry.cameras), sorted(registry.tree.grids)
    case = CaseSystem().confirm()
    with open_store(url) as store:
        for day in range(365):
            at = now - timedelta(days=day)
            local = at.astimezone(zone).date()
            with store.begin() as uow:
                for plan in ("morning", "afternoon"):
                    ident = f"{local:%Y%m%d}-{plan}-1"
                    uow.rounds.add(
                        Round(id=ident, plan=plan, day=local, planned_at=at, finish_by=at,
                              planned=len(cameras), refused={}, state=RoundState.FINISHED),
                        (),
                    )  # type: ignore[arg-type]  # fmt: skip
                    uow.db.run(insert(visits), [_visit(ident, c, n) for n, c in enumerate(cameras)])
                for number in range(CASES_A_DAY):
                    one = replace(
                        case, id=CaseId(f"C{local:%Y%m%d}-{number:04}"), finding=None,
                        grid=GridCode(groups[(day + number) % len(groups)]), dispatched_at=at,
                        found_at=at, entries=(),
                    ).dispatched(by="op", note="x")  # fmt: skip
                    for minutes, what in enumerate(
                        (CaseEvent.ACKNOWLEDGE, CaseEvent.ARRIVE, CaseEvent.FEED_BACK,
                         CaseEvent.VERIFY, CaseEvent.CLOSE), start=1,
                    ):  # fmt: skip
                        one = one.apply_event(what, at=at + timedelta(minutes=minutes), by="x")
                    uow.cases.add(one)
                uow.commit()
        heading = PackHeading(
            scope=parse_scope("town", registry.tree),
            period=parse_period(f"{now - timedelta(days=31):%Y-%m}"),
            site="上坝镇", zone=zone, made_at=now, registry=registry,
        )  # fmt: skip
        begun = time.process_time()
        with store.begin_read() as uow:
            pack = load_pack(uow, heading, ["morning", "afternoon"])
        html = PACK_FORMATS["html"](pack)
        took_s = time.process_time() - begun
    print(f"month pack: {took_s:.2f} s, {len(html)} bytes, {len(pack.cases)} cases")  # noqa: T201
    assert len(pack.cases) >= 28 * CASES_A_DAY
    assert len(html) <= MOST_BYTES
    assert took_s <= MOST_SECONDS


def _visit(a_round: str, camera: CameraId, place: int) -> dict[str, object]:
    outcome = "not_viewable" if place % 10 == 0 else "normal"
    return {
        "round": a_round, "camera": camera, "place": place, "outcome": outcome, "tries": 1,
        "failure": "", "seen": "", "usable_pictures": 1, "faults": [], "freshness": "", "light": "",
    }  # fmt: skip

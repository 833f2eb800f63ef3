"""Supervision, urging, tags, the overdue list and its message to the cadres."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from patrol.cases.supervision import (
    BadTag,
    overdue_list,
    send_overdue_lists,
    supervise_case,
    tag_case,
    urge_case,
)
from patrol.domain.account import Account, AccountRole
from patrol.domain.answering import may_see_case
from patrol.domain.case import Case, CaseEvent
from patrol.domain.ids import GridCode
from patrol.domain.registry import Centre, GridTree, Registry
from patrol.domain.supervision import CannotSupervise, OverdueStep
from simulators import small_site
from tests.support.case_system import SITE, CaseSystem

NOON = small_site.NOON
HOUR = timedelta(hours=1)


def supervised(
    system: CaseSystem, case: Case, *, why: str = "群众反映强烈", hours: float = 4
) -> Case:
    with system.store.begin() as uow:
        changed = supervise_case(
            uow, case.id, by="chief", now=system.clock.now(), payloads=system.payload_builder,
            why=why, span=timedelta(hours=hours),
        )  # fmt: skip
        uow.commit()
    return changed


def test_supervision_has_a_reason_and_a_clock_and_tells(case_system: CaseSystem) -> None:
    case = case_system.confirm()
    changed = supervised(case_system, case)
    assert changed.supervision is not None
    assert (changed.supervision.by, changed.supervision.due_at) == ("chief", NOON + 4 * HOUR)
    assert changed.entries[-1].what is CaseEvent.SUPERVISE
    assert "群众反映强烈" in changed.entries[-1].note
    assert changed.revision == case.revision + 1  # the leaders see it anew
    with case_system.store.begin_read() as uow:
        assert uow.cases.get(case.id) == changed


@pytest.mark.parametrize(("why", "hours"), [(" ", 4), ("x", 0), ("x", -1), ("x", 24 * 31)])
def test_without_reason_or_clock_there_is_none(
    case_system: CaseSystem, why: str, hours: float
) -> None:
    case = case_system.confirm()
    with pytest.raises(CannotSupervise):
        supervised(case_system, case, why=why, hours=hours)


def test_urging_tells_again_and_not_twice_in_ten_minutes(case_system: CaseSystem) -> None:
    case = case_system.confirm()
    for minutes, right in ((0, True), (9, False), (10, True)):
        with case_system.store.begin() as uow:
            now = NOON + timedelta(minutes=minutes)
            more = {"by": "chief", "now": now, "payloads": case_system.payload_builder}
            if right:
                urge_case(uow, case.id, why="请尽快", **more)  # type: ignore[arg-type]
                uow.commit()
            else:
                with pytest.raises(CannotSupervise, match="10 minutes"):
                    urge_case(uow, case.id, why="请尽快", **more)  # type: ignore[arg-type]


def test_the_list_names_the_limit_that_passed_first(case_system: CaseSystem) -> None:
    case = case_system.confirm()
    ack = case.policy.limits.acknowledge
    with case_system.store.begin_read() as uow:
        assert overdue_list(uow, NOON + ack) == []
        (line,) = overdue_list(uow, NOON + ack + timedelta(seconds=1))
    assert (line.step, line.since, line.case.id) == (OverdueStep.ACKNOWLEDGE, NOON + ack, case.id)
    supervised(case_system, case, hours=0.5)
    with case_system.store.begin_read() as uow:
        (line,) = overdue_list(uow, NOON + HOUR)
    assert line.step is OverdueStep.SUPERVISION


def test_each_cadre_gets_the_own_list_without_camera_or_household(
    case_system: CaseSystem, matches_schema: Any
) -> None:
    case = case_system.confirm()
    now = NOON + timedelta(days=1)
    with case_system.store.begin() as uow:
        sent = send_overdue_lists(uow, case_system.registry, SITE, now, case_system.payload_builder)
        uow.commit()
    case_system.relay.run_until_empty(5)
    lists = {
        topic: matches_schema("overdue", payload)
        for topic, payload in case_system.broker.retained.items()
        if topic.endswith("/overdue")
    }
    assert len(lists) == sent >= 2
    village = case_system.registry.tree.village_of(case.grid)
    mine = lists[f"patrol/v1/{SITE}/grid/{village}/overdue"]
    assert [one["case"] for one in mine["cases"]] == [case.id]
    assert str(case.camera) not in json.dumps(mine)


def test_tags_are_sorted_noted_and_checked(case_system: CaseSystem) -> None:
    case = case_system.confirm()
    with case_system.store.begin() as uow:
        more = {"by": "op", "now": NOON, "payloads": case_system.payload_builder}
        tagged = tag_case(uow, case.id, ["铁路", "四网融合", "铁路"], **more)  # type: ignore[arg-type]
        assert tagged.tags == tuple(sorted(("铁路", "四网融合")))
        assert tagged.entries[-1].what is CaseEvent.TAG
        assert tagged.revision == case.revision  # nothing that the leaders see
        for wrong in ("a b", "x" * 25, "<b>", "a,b"):
            with pytest.raises(BadTag):
                tag_case(uow, case.id, [wrong], **more)  # type: ignore[arg-type]
        with pytest.raises(BadTag, match="too many"):
            tag_case(uow, case.id, map(str, range(13)), **more)  # type: ignore[arg-type]


def test_a_cadre_sees_the_cases_of_the_own_centre_alone(case_system: CaseSystem) -> None:
    case, tree = case_system.confirm(), case_system.registry.tree
    village = tree.village_of(case.grid)
    other = (
        next(
            grid.code
            for grid in tree.grids.values()
            if grid.level == "village" and grid.code != village
        )
        if sum(g.level == "village" for g in tree.grids.values()) > 1
        else GridCode("9" * 15)
    )
    cadre = Account(
        name="c", duty=AccountRole.VILLAGE_CADRE, shown_as="c", password="x", grid=other,
        created_at=NOON,
    )  # fmt: skip
    registry = case_system.registry

    def with_tree(changed: GridTree) -> Registry:
        return replace(registry, tree=changed)

    assert not may_see_case(cadre, case, registry)
    both = Centre(id="east", name="东片", grids=(other, village))  # type: ignore[arg-type]
    grids = dict(tree.grids)
    grids.setdefault(other, next(iter(tree.grids.values())))
    assert may_see_case(cadre, case, with_tree(GridTree(grids=grids, centres=(both,))))
    apart = (
        Centre(id="east", name="东片", grids=(other,)),
        Centre(id="west", name="西片", grids=(village,)),  # type: ignore[arg-type]
    )
    assert not may_see_case(cadre, case, with_tree(GridTree(grids=grids, centres=apart)))

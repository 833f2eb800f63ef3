"""Stoppages, troubles, signatures: the rules of a shift."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from patrol.domain.health import Trouble, TroubleAlreadyTaken, TroubleKind
from patrol.domain.ids import CameraId
from patrol.domain.priority import DueLight
from patrol.domain.schedule import Stoppage, StoppageScope, maintenance_of, pause_at
from patrol.domain.shift_handover import (
    HandoverAction,
    HandoverEntry,
    handover_refusal,
    pending_sheet,
    sheet_digest,
    shift_owner,
    takeover_refusal,
)
from simulators import small_site

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOWN = small_site.registry()
CAMERA = TOWN.cameras[small_site.CAMERA]


def stoppage(**fields: Any) -> Stoppage:
    return Stoppage(
        **{"scope": StoppageScope.ROUNDS, "start": NOW, "reason": "沙尘暴", "by": "甲", **fields}
    )


@pytest.mark.parametrize(
    ("fields", "at", "holds"),
    [
        pytest.param({}, NOW - HOUR, False, id="not yet"),
        pytest.param({}, NOW, True, id="from its first second"),
        pytest.param({}, NOW + 1000 * HOUR, True, id="without an end"),
        pytest.param({"until": NOW + HOUR}, NOW + HOUR, False, id="until before its end"),
        pytest.param({"ended_at": NOW + HOUR}, NOW + HOUR, False, id="ended"),
        pytest.param({"ended_at": NOW + HOUR}, NOW, True, id="in force before it was ended"),
        pytest.param(
            {"until": NOW + 2 * HOUR, "ended_at": NOW + HOUR}, NOW + HOUR, False, id="early"
        ),
    ],
)
def test_when_a_stoppage_holds(fields: dict[str, Any], at: datetime, *, holds: bool) -> None:
    assert stoppage(**fields).is_active_at(at) is holds
    assert (pause_at([stoppage(**fields)], at) is not None) is holds


@pytest.mark.parametrize(
    ("scope", "subject", "covers"),
    [
        pytest.param(StoppageScope.CAMERA, CAMERA.id, True, id="itself"),
        pytest.param(StoppageScope.CAMERA, small_site.SECOND_CAMERA, False, id="another"),
        pytest.param(StoppageScope.LINK, CAMERA.link, True, id="its link"),
        pytest.param(StoppageScope.GRID, small_site.GROUP, True, id="its group"),
        pytest.param(StoppageScope.GRID, small_site.VILLAGE, True, id="its village"),
        pytest.param(StoppageScope.GRID, small_site.TOWN, True, id="the town"),
        pytest.param(StoppageScope.GRID, small_site.OTHER_VILLAGE, False, id="another village"),
        pytest.param(StoppageScope.ROUNDS, "", False, id="a pause is nobody's maintenance"),
    ],
)
def test_whom_a_stoppage_covers(scope: StoppageScope, subject: str, *, covers: bool) -> None:
    one = stoppage(scope=scope, subject=subject)
    assert (maintenance_of(CAMERA, [one], TOWN.tree, NOW) is not None) is covers
    assert maintenance_of(CAMERA, [one], TOWN.tree, NOW - HOUR) is None


def trouble(**fields: Any) -> Trouble:
    return Trouble(
        **{
            "number": 7, "kind": TroubleKind.CAMERA, "subject": "1", "state": "offline",
            "since": NOW, "opened_at": NOW, "why": "unreachable", "cameras": (CameraId("1"),),
            **fields,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("taken", "days", "light"),
    [
        pytest.param(False, 0.5, DueLight.GREEN, id="new"),
        pytest.param(False, 1.1, DueLight.RED, id="nobody took it for a day"),
        pytest.param(True, 1.1, DueLight.GREEN, id="taken"),
        pytest.param(True, 6.0, DueLight.YELLOW, id="80 % of a week"),
        pytest.param(True, 7.1, DueLight.RED, id="a week"),
    ],
)
def test_the_clock_of_level_four(days: float, light: DueLight, *, taken: bool) -> None:
    one = trouble().take_over(by="运维", now=NOW + HOUR) if taken else trouble()
    assert one.due_light(NOW + timedelta(days=days)) is light


def test_a_trouble_is_taken_once_and_not_when_it_is_over() -> None:
    with pytest.raises(TroubleAlreadyTaken, match="taken by 运维 at 2026-11-22T02:00:00Z"):
        trouble().take_over(by="运维", now=NOW + HOUR).take_over(by="甲", now=NOW + HOUR)
    with pytest.raises(TroubleAlreadyTaken, match="is over: recovered"):
        trouble().close("recovered", NOW).take_over(by="甲", now=NOW)


def signed(*lines: str) -> list[HandoverEntry]:
    """`甲>乙` gives, `乙` takes; newest first as the books answer."""
    entries = []
    for number, line in enumerate(lines, start=1):
        who, _, to = line.partition(">")
        entries.append(
            HandoverEntry(
                number=number, at=NOW, what=HandoverAction.GIVE if to else HandoverAction.TAKE,
                who=who, to=to, note="", sheet={}, digest=sheet_digest({}),
            )
        )  # fmt: skip
    return entries[::-1]


@pytest.mark.parametrize(
    ("lines", "owner", "can_give", "can_take"),
    [
        pytest.param([], "", ["甲", "乙"], [], id="the first shift is anybody's to give"),
        pytest.param(["甲>乙"], "", ["甲"], ["乙"], id="given"),
        pytest.param(["甲>乙", "乙"], "乙", ["乙"], [], id="taken"),
        pytest.param(["甲>乙", "乙", "乙>甲"], "乙", ["乙"], ["甲"], id="given on"),
        pytest.param(["甲>乙", "甲>丙"], "", ["甲"], ["丙"], id="given anew to another"),
    ],
)
def test_who_can_sign(
    lines: list[str], owner: str, can_give: list[str], can_take: list[str]
) -> None:
    entries = signed(*lines)
    assert shift_owner(entries) == owner
    assert (pending_sheet(entries) is not None) is bool(can_take)
    for who in "甲乙丙":
        assert (takeover_refusal(entries, who) is None) is (who in can_take)
    for who in can_give:
        assert handover_refusal(entries, who, "丁") is None
    assert handover_refusal(entries, "甲", "甲") is not None
    if owner:
        assert handover_refusal(entries, "丙", "丁") is not None


def test_a_sheet_is_the_same_whatever_the_order_of_its_keys() -> None:
    assert sheet_digest({"a": 1, "b": [2]}) == sheet_digest({"b": [2], "a": 1})
    assert sheet_digest({"a": 1}) != sheet_digest({"a": 2})

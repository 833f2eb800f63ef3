"""A link's life as a table of rules, and its words and seal."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patrol.domain.case import Case, CaseEvent
from patrol.domain.escalation import policy_for
from patrol.domain.ids import CaseId, FindingId, GridCode, Sha256
from patrol.domain.levels import Level
from patrol.domain.observation import Subject
from patrol.domain.picture_link import (
    AGAIN_WITHIN,
    LONGEST_TOKEN,
    LinkMaker,
    Opening,
    PictureLink,
    Verdict,
    holder_of,
    judge,
    read_token,
    token,
)
from patrol.domain.routing import route
from simulators import hamlet

NOON = hamlet.NOON
KEY = b"a site's own"
ME, OTHER = holder_of("mine"), holder_of("another's")
REGISTRY = hamlet.registry()
POLICY = policy_for(Level.ORDINARY, route(REGISTRY, hamlet.GROUP, Subject.SCENE), NOON)
CASE = Case(
    id=CaseId("C20261122-0007"), finding=FindingId("F000001"), camera=None, grid=hamlet.GROUP,
    subject=Subject.SCENE, category="dumping", level=Level.ORDINARY, place="村口", found_at=NOON,
    dispatched_at=NOON, policy=POLICY, before=Sha256("a" * 64), revision=5,
)  # fmt: skip
LINK = PictureLink(case=CASE.id, grid=hamlet.GROUP, revision=5, until=NOON + timedelta(hours=72))


def opening(revision: int = 5, holder: str = ME, at: datetime = NOON) -> Opening:
    return Opening(case=CASE.id, grid=hamlet.GROUP, revision=revision, at=at, holder=holder)


LATER = NOON + AGAIN_WITHIN
RULES = [
    pytest.param([], NOON, Verdict.OPENS, id="never opened"),
    pytest.param([opening(4)], NOON, Verdict.OPENS, id="an older one was opened"),
    pytest.param([opening(6)], NOON, Verdict.SPENT, id="a newer one was opened"),
    pytest.param([opening()], LATER, Verdict.OPENS_AGAIN, id="mine, within the minute"),
    pytest.param([opening()], LATER + timedelta(seconds=1), Verdict.SPENT, id="mine, too late"),
    pytest.param([opening(holder=OTHER)], NOON, Verdict.SPENT, id="another browser"),
    pytest.param([opening(4), opening(), opening(6)], NOON, Verdict.SPENT, id="mine, overtaken"),
    pytest.param([], LINK.until, Verdict.OPENS, id="the last second"),
    pytest.param([], LINK.until + timedelta(seconds=1), Verdict.EXPIRED, id="expired"),
]


@pytest.mark.parametrize(("openings", "now", "expected"), RULES)
def test_whether_it_opens(openings: list[Opening], now: datetime, expected: Verdict) -> None:
    assert judge(LINK, CASE, openings, ME, now) is expected


def test_it_ends_with_the_case_and_with_the_grids_part_in_it() -> None:
    ended = CASE.move(CaseEvent.VOID, at=NOON, by="duty_lead")
    assert judge(LINK, ended, [], ME, NOON) is Verdict.ENDED
    elsewhere = replace(LINK, grid=GridCode("620902104208001"))
    assert judge(elsewhere, CASE, [], ME, NOON) is Verdict.WITHDRAWN
    village = replace(LINK, grid=hamlet.VILLAGE)
    assert judge(village, CASE, [], ME, NOON) is Verdict.WITHDRAWN, "not told yet"
    raised = replace(CASE, rung=len(POLICY.ladder) - 1)
    assert judge(village, raised, [], ME, NOON) is Verdict.OPENS


def test_a_link_is_made_only_where_there_is_something_to_see() -> None:
    maker = LinkMaker(base_url="https://p.example", key=KEY, lasts=timedelta(hours=72))
    link = maker.link(CASE, hamlet.GROUP, NOON)
    assert link is not None
    assert read_token(link.removeprefix("https://p.example/p/"), KEY) == LINK
    assert maker.link(replace(CASE, before=None), hamlet.GROUP, NOON) is None
    ended = CASE.move(CaseEvent.VOID, at=NOON, by="duty_lead")
    assert maker.link(ended, hamlet.GROUP, NOON) is None
    assert KEY.decode() not in repr(maker)


def test_words_and_seal_come_back_and_fit_into_an_address() -> None:
    made = token(LINK, KEY)
    assert read_token(made, KEY) == LINK
    assert len(made) < LONGEST_TOKEN
    assert made.isascii()
    assert "H-" not in made
    assert read_token(made, b"another site's") is None


@given(st.integers(0, len(token(LINK, KEY)) - 1), st.sampled_from("Aaz09-_."))
def test_a_bent_token_is_nothing_or_says_the_same(place: int, sign: str) -> None:
    made = token(LINK, KEY)
    bent = made[:place] + sign + made[place + 1 :]
    assert read_token(bent, KEY) in (None, LINK)  # the last letter of each has bits to spare


@given(st.text(max_size=400))
def test_no_text_makes_it_raise(text: str) -> None:
    assert read_token(text, KEY) is None


@given(
    st.integers(0, 10_000),
    st.datetimes(datetime(2026, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_every_link_survives_the_way(revision: int, until: datetime) -> None:
    link = replace(LINK, revision=revision, until=until.replace(microsecond=0))
    assert read_token(token(link, KEY), KEY) == link

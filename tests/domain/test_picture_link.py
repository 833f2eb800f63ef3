"""A link's life as a table of rules, its text and its signature."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patrol.domain.case import Case, CaseEvent
from patrol.domain.escalation import policy_for
from patrol.domain.ids import CaseId, FindingId, GridCode, Sha256
from patrol.domain.observation import Subject
from patrol.domain.picture_link import (
    MAX_TOKEN_CHARS,
    REOPEN_WITHIN,
    LinkSigner,
    LinkState,
    LinkUse,
    PictureLink,
    holder_hash,
    is_signature,
    is_signature_hex,
    link_state,
    read_token,
    sign,
    sign_hex,
    sign_token,
)
from patrol.domain.priority import Level
from patrol.domain.routing import route
from simulators import small_site

NOON = small_site.NOON
KEY = b"a site's own"
ME, OTHER = holder_hash("mine"), holder_hash("another's")
REGISTRY = small_site.registry()
POLICY = policy_for(Level.ORDINARY, route(REGISTRY, small_site.GROUP, Subject.SCENE), NOON)
CASE = Case(
    id=CaseId("C20261122-0007"), finding=FindingId("F000001"), camera=None, grid=small_site.GROUP,
    subject=Subject.SCENE, category="dumping", level=Level.ORDINARY, place="村口", found_at=NOON,
    dispatched_at=NOON, policy=POLICY, before=Sha256("a" * 64), revision=5,
)  # fmt: skip
LINK = PictureLink(
    case=CASE.id, grid=small_site.GROUP, revision=5, until=NOON + timedelta(hours=72)
)


def opening(revision: int = 5, holder: str = ME, at: datetime = NOON) -> LinkUse:
    return LinkUse(case=CASE.id, grid=small_site.GROUP, revision=revision, at=at, holder=holder)


LATER = NOON + REOPEN_WITHIN
RULES = [
    pytest.param([], NOON, LinkState.OPENS, id="never opened"),
    pytest.param([opening(4)], NOON, LinkState.OPENS, id="an older one was opened"),
    pytest.param([opening(6)], NOON, LinkState.SPENT, id="a newer one was opened"),
    pytest.param([opening()], LATER, LinkState.OPENS_AGAIN, id="mine, within the minute"),
    pytest.param([opening()], LATER + timedelta(seconds=1), LinkState.SPENT, id="mine, too late"),
    pytest.param([opening(holder=OTHER)], NOON, LinkState.SPENT, id="another browser"),
    pytest.param([opening(4), opening(), opening(6)], NOON, LinkState.SPENT, id="mine, overtaken"),
    pytest.param([], LINK.until, LinkState.OPENS, id="the last second"),
    pytest.param([], LINK.until + timedelta(seconds=1), LinkState.EXPIRED, id="expired"),
]


@pytest.mark.parametrize(("openings", "now", "expected"), RULES)
def test_whether_it_opens(openings: list[LinkUse], now: datetime, expected: LinkState) -> None:
    assert link_state(LINK, CASE, openings, ME, now) is expected


def test_it_ends_with_the_case_and_with_the_grids_part_in_it() -> None:
    ended = CASE.apply_event(CaseEvent.VOID, at=NOON, by="duty_lead")
    assert link_state(LINK, ended, [], ME, NOON) is LinkState.ENDED
    elsewhere = replace(LINK, grid=GridCode("620902104208001"))
    assert link_state(elsewhere, CASE, [], ME, NOON) is LinkState.WITHDRAWN
    village = replace(LINK, grid=small_site.VILLAGE)
    assert link_state(village, CASE, [], ME, NOON) is LinkState.WITHDRAWN, "not told yet"
    raised = replace(CASE, rung=len(POLICY.ladder) - 1)
    assert link_state(village, raised, [], ME, NOON) is LinkState.OPENS


def test_a_link_is_made_only_where_there_is_something_to_see() -> None:
    maker = LinkSigner(base_url="https://p.example", key=KEY, lasts=timedelta(hours=72))
    link = maker.link(CASE, small_site.GROUP, NOON)
    assert link is not None
    assert read_token(link.removeprefix("https://p.example/p/"), KEY) == LINK
    assert maker.link(replace(CASE, before=None), small_site.GROUP, NOON) is None
    ended = CASE.apply_event(CaseEvent.VOID, at=NOON, by="duty_lead")
    assert maker.link(ended, small_site.GROUP, NOON) is None
    assert KEY.decode() not in repr(maker)


def test_words_and_seal_come_back_and_fit_into_an_address() -> None:
    made = sign_token(LINK, KEY)
    assert read_token(made, KEY) == LINK
    assert len(made) < MAX_TOKEN_CHARS
    assert made.isascii()
    assert "H-" not in made
    assert read_token(made, b"another site's") is None


@given(st.integers(0, len(sign_token(LINK, KEY)) - 1), st.sampled_from("Aaz09-_."))
def test_a_bent_token_is_nothing_or_says_the_same(place: int, sign: str) -> None:
    made = sign_token(LINK, KEY)
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
    assert read_token(sign_token(link, KEY), KEY) == link


SIGNING_KEY, PAYLOAD = b"key", b"C000001|1|1900000000"


def test_a_signature_holds_for_its_key_purpose_and_payload_alone() -> None:
    made = sign(SIGNING_KEY, PAYLOAD, purpose="picture-link")
    assert is_signature(made, SIGNING_KEY, PAYLOAD, purpose="picture-link")
    assert not is_signature(made, b"another", PAYLOAD, purpose="picture-link")
    assert not is_signature(made, SIGNING_KEY, PAYLOAD + b"0", purpose="picture-link")
    assert not is_signature(made, SIGNING_KEY, PAYLOAD, purpose="welcome")
    assert not is_signature(b"", SIGNING_KEY, PAYLOAD, purpose="picture-link")


@pytest.mark.parametrize("text", ["", "é", "0" * 40])
def test_nonsense_is_no_signature(text: str) -> None:
    assert not is_signature_hex(text, SIGNING_KEY, PAYLOAD, purpose="welcome")


def test_addresses_that_were_handed_out_stay_valid() -> None:
    link = "5af0d11d95fc938af9abfe0b577012e6e8537672b1efcf5c462decd7f0b71565"
    assert sign(SIGNING_KEY, PAYLOAD, purpose="picture-link").hex() == link
    assert (
        sign_hex(SIGNING_KEY, b"wang|1900000000", purpose="welcome")
        == "7a57e8e63de9220741ad7174775b15b43fba41e3"
    )
    assert (
        sign_hex(SIGNING_KEY, b"ab|thumb|round:R1|1900000000", purpose="")
        == "9f781b2ebab211c31381263f167b6f79d337cfcb"
    )

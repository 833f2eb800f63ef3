"""The delivery table: what is known of one message only ever grows."""

import itertools

import pytest

from patrol.domain.finding import CATEGORIES, CATEGORY_BY_ID, category_named
from patrol.domain.outbox import (
    MESSAGE_TRANSITIONS,
    DeliveryEvent,
    DeliveryState,
    payload_object,
)

S, E = DeliveryState, DeliveryEvent
KNOWN = [S.QUEUED, S.PUBLISHED, S.RECEIVED, S.OPENED, S.ACKNOWLEDGED]


@pytest.mark.parametrize(("state", "event"), list(itertools.product(DeliveryState, DeliveryEvent)))
def test_knowledge_never_shrinks(state: DeliveryState, event: DeliveryEvent) -> None:
    target = MESSAGE_TRANSITIONS.get((state, event))
    if target in KNOWN and state in KNOWN:
        assert KNOWN.index(target) >= KNOWN.index(state)


def test_every_state_is_reachable() -> None:
    assert {S.QUEUED, *MESSAGE_TRANSITIONS.values()} == set(DeliveryState)


def test_only_a_message_that_never_left_expires() -> None:
    assert [state for (state, event) in MESSAGE_TRANSITIONS if event is E.TOO_OLD] == [S.QUEUED]


def test_an_answer_always_counts_unless_the_message_expired_or_never_left() -> None:
    answered = {state for (state, event) in MESSAGE_TRANSITIONS if event is E.PERSON_ANSWERED}
    assert answered == set(DeliveryState) - {S.ACKNOWLEDGED, S.EXPIRED, S.QUARANTINED}


def test_categories_are_unique_and_complete() -> None:
    assert len(CATEGORY_BY_ID) == len(CATEGORIES)
    assert {c.code for c in CATEGORIES} == {f"{n:02d}" for n in range(1, 10)} | {"99"}
    assert all(c.zh and c.en and c.check for c in CATEGORIES)


def test_a_category_of_a_sites_own_rules_still_has_words() -> None:
    made_up = category_named("beehive")
    assert (made_up.id, made_up.code) == ("beehive", "99")
    assert made_up.check


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"\xff\xfe{", b"[1]", b'"x"', b"7", b"[" * 200_000, b'{"a":' * 200_000]
)
def test_what_is_no_json_object_has_no_fields(payload: bytes) -> None:
    assert payload_object(payload) == {}


def test_a_json_object_is_read_as_it_is() -> None:
    assert payload_object('{"about": "一", "n": null}'.encode()) == {"about": "一", "n": None}

"""Caps: connections, links, bandwidth; retries behind everyone else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patrol.domain.ids import CameraId, LinkId
from patrol.rounds.limiter import ConnectionLimiter, ConnectionLimits, PendingVisit, SharedLinkSlots


def pending_visit(number: int, link: str = "a") -> PendingVisit:
    return PendingVisit(camera=CameraId(f"{number:020}"), link=LinkId(link))


def acquire_all(limiter: ConnectionLimiter, now_s: float = 0.0) -> list[PendingVisit]:
    taken = []
    while (one := limiter.acquire(now_s)) is not None:
        taken.append(one)
    return taken


def test_connections_are_capped() -> None:
    limiter = ConnectionLimiter(
        [pending_visit(i) for i in range(9)], ConnectionLimits(connections=4, per_link=99)
    )
    assert len(acquire_all(limiter)) == 4
    assert limiter.waiting == 5


def test_a_full_link_is_passed_over_and_its_next_comes_first_when_one_leaves() -> None:
    order = [
        pending_visit(1, "a"),
        pending_visit(2, "a"),
        pending_visit(3, "b"),
        pending_visit(4, "c"),
    ]
    limiter = ConnectionLimiter(order, ConnectionLimits(connections=3, per_link=1))
    first = acquire_all(limiter)
    assert [s.link for s in first] == ["a", "b", "c"]
    limiter.release(first[0])
    assert limiter.acquire(0.0) == order[1]


def test_bandwidth_lowers_the_number_of_slots() -> None:
    limiter = ConnectionLimiter(
        [pending_visit(i) for i in range(300)],
        ConnectionLimits(connections=200, per_link=999, mbit_s=20.0),
    )
    assert limiter.capacity == 10  # 2 Mbit/s each is assumed at first
    for taken in acquire_all(limiter):
        limiter.release(taken, mbit_s=4.0)
    assert limiter.capacity < 10


def test_there_is_always_one_slot() -> None:
    assert (
        ConnectionLimiter([pending_visit(1)], ConnectionLimits(mbit_s=0.1)).acquire(0.0) is not None
    )


def test_a_retry_waits_its_time_and_has_an_end() -> None:
    limiter = ConnectionLimiter([pending_visit(1)], ConnectionLimits(retries=1, retry_after_s=5.0))
    first = limiter.acquire(0.0)
    assert first is not None
    limiter.release(first)
    assert limiter.retry_later(first, now_s=1.0)
    assert limiter.acquire(5.9) is None
    assert limiter.next_retry_in_s(5.9) == pytest.approx(0.1)
    second = limiter.acquire(6.0)
    assert second is not None
    assert second.attempt == 2
    assert not limiter.retry_later(second, now_s=7.0)


@given(
    links=st.lists(st.sampled_from("abc"), max_size=40),
    connections=st.integers(1, 8),
    per_link=st.integers(1, 4),
    leaving=st.randoms(use_true_random=False),
)
def test_nobody_is_lost_and_no_cap_is_broken(
    links: list[str], connections: int, per_link: int, leaving: object
) -> None:
    seekers = [pending_visit(i, link) for i, link in enumerate(links)]
    limiter = ConnectionLimiter(
        seekers, ConnectionLimits(connections=connections, per_link=per_link, mbit_s=1e6)
    )
    inside: list[PendingVisit] = []
    served: list[PendingVisit] = []
    while limiter.waiting or inside:
        inside += acquire_all(limiter)
        assert len(inside) <= connections
        assert all(sum(s.link == link for s in inside) <= per_link for link in "abc")
        assert inside, "someone waits and nobody is inside: a deadlock"
        gone = inside.pop(leaving.randrange(len(inside)))  # type: ignore[attr-defined]
        served.append(gone)
        limiter.release(gone)
    assert sorted(s.camera for s in served) == sorted(s.camera for s in seekers)


def test_a_rechecks_slot_is_left_free_and_used_again() -> None:
    """Beside a round that fills its link: no more than the link bears, and nobody is forgotten."""
    link_slots, link = SharedLinkSlots(per_link=2), LinkId("a")
    limiter = ConnectionLimiter(
        [pending_visit(i) for i in range(4)],
        ConnectionLimits(connections=9, per_link=2),
        link_slots,
    )
    first, second = acquire_all(limiter)
    assert link_slots.reserve(link)
    assert not link_slots.may_start(link), "both slots are the round's"
    limiter.release(first)
    assert limiter.acquire(0.0) is None, "that slot is reserved"
    assert link_slots.may_start(link)
    limiter.release(second)
    third = limiter.acquire(0.0)
    assert third is not None
    assert limiter.acquire(0.0) is None, "one of the two is the look's"
    link_slots.release(link)
    assert limiter.acquire(0.0) is not None, "free again without anybody leaving"
    assert limiter.waiting == 0


def test_rechecks_count_against_all_connections_and_their_own_link() -> None:
    link_slots = SharedLinkSlots(per_link=1)
    assert link_slots.reserve(LinkId("x"))
    assert not link_slots.reserve(LinkId("x"))
    limiter = ConnectionLimiter(
        [pending_visit(i, f"l{i}") for i in range(5)], ConnectionLimits(connections=3), link_slots
    )
    assert len(acquire_all(limiter)) == 2

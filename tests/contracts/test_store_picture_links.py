"""One-time links: one key a site, one first opening a link — on every store."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from patrol.domain.ids import CaseId, GridCode
from patrol.domain.picture_link import LinkUse
from patrol.store import Store

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)
CASE, GRID = CaseId("C20261122-0007"), GridCode("620902104203001")


def opening(revision: int = 0, holder: str = "a", grid: GridCode = GRID) -> LinkUse:
    return LinkUse(case=CASE, grid=grid, revision=revision, at=NOW, holder=holder)


def in_one(store: Store, work: Callable[..., object]) -> object:
    with store.begin() as uow:
        answer = work(uow.picture_links)
        uow.commit()
    return answer


def test_the_first_key_stays(store: Store) -> None:
    assert in_one(store, lambda links: links.signing_key(b"first")) == b"first"
    assert in_one(store, lambda links: links.signing_key(b"second")) == b"first"


def test_a_link_is_opened_for_the_first_time_once(store: Store) -> None:
    assert in_one(store, lambda links: links.record_use(opening()))
    assert not in_one(store, lambda links: links.record_use(opening(holder="b")))
    assert in_one(store, lambda links: links.record_use(opening(revision=2)))
    assert in_one(store, lambda links: links.record_use(opening(grid=GridCode("620902104203000"))))
    with store.begin_read() as uow:
        assert uow.picture_links.uses(CASE, GRID) == [opening(), opening(revision=2)]
        assert uow.picture_links.uses(CaseId("C20261122-0008"), GRID) == []


def test_of_many_at_once_one_is_the_first(store: Store) -> None:
    with ThreadPoolExecutor(6) as pool:
        won = list(
            pool.map(
                lambda n: in_one(store, lambda links: links.record_use(opening(holder=str(n)))),
                range(6),
            )
        )
    assert sorted(won, key=bool) == [False] * 5 + [True]


def test_what_is_not_committed_was_not_opened(store: Store) -> None:
    with store.begin() as uow:
        assert uow.picture_links.record_use(opening())
    assert in_one(store, lambda links: links.record_use(opening()))

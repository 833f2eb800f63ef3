"""A queue of 10,008 findings: all are counted, each is on one page, nothing takes long."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from patrol.cases.shift_handover import handover_sheet
from patrol.domain.finding import Finding
from patrol.domain.ids import CameraId, FindingId, GridCode
from patrol.domain.observation import Subject
from patrol.domain.priority import Level
from patrol.review import review_queue
from patrol.review.queue import waiting_in_order
from patrol.store import Store
from tests.support.store import new_store

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
COUNT = 10_008
LEVELS = list(Level)


def finding(number: int) -> Finding:
    return Finding(
        id=FindingId(f"L{number:06}"),
        camera=CameraId(f"{number % 624:020}"),
        grid=GridCode("620902104203001"),
        round=None,
        subject=Subject.SCENE if number % 3 else Subject.EQUIPMENT,
        category="other",
        kind="change",
        level=LEVELS[number % len(LEVELS)],
        score=0.5 + (number % 40) / 100,
        why="test",
        picture=None,
        found_at=NOON - timedelta(minutes=number),
    )


@pytest.fixture
def store() -> Store:
    full = new_store()
    with full.begin() as uow:
        for number in range(COUNT):
            uow.findings.add(finding(number))
        uow.commit()
    return full


def test_all_are_counted(store: Store) -> None:
    with store.begin_read() as uow:
        totals = uow.findings.waiting_totals()
        sheet = handover_sheet(uow, NOON)
    assert sum(total.count for total in totals) == COUNT
    assert min(total.oldest for total in totals) == NOON - timedelta(minutes=COUNT - 1)
    counts = sheet["findings"]
    assert counts["open"] == COUNT
    assert sum(counts["by_level"].values()) == sum(counts["by_subject"].values()) == COUNT


def test_every_finding_is_on_exactly_one_page(store: Store) -> None:
    with store.begin_read() as uow:
        pages = [uow.findings.queue(limit=1000, offset=at) for at in range(0, COUNT, 1000)]
    ids = [one.id for page in pages for one in page]
    assert (len(ids), len(set(ids))) == (COUNT, COUNT)
    ranks = [LEVELS.index(one.level) for page in pages for one in page]
    assert ranks == sorted(ranks)


def test_the_whole_queue_is_ranked_in_a_moment(store: Store) -> None:
    """Ranking costs in proportion to the queue: at most 5 times its rows' bare reading."""
    with store.begin_read() as uow:
        reading_s = min(cpu_s(lambda: uow.findings.queue(limit=COUNT)) for _ in range(2))
        ranking_s = min(cpu_s(lambda: review_queue(uow, NOON)) for _ in range(2))
        lines = review_queue(uow, NOON).lines
    assert [line.position for line in lines] == list(range(1, COUNT + 1))
    assert ranking_s < 5 * reading_s


def cpu_s(work: Callable[[], object]) -> float:
    """Processor time of this thread."""
    begun = time.thread_time()
    work()
    return time.thread_time() - begun


@pytest.mark.parametrize("subject", [None, Subject.EQUIPMENT])
def test_pages_are_parts_of_the_whole_queue(store: Store, subject: Subject | None) -> None:
    """Any page costs its own levels, and shows the positions that the whole queue gives."""
    with store.begin_read() as uow:
        whole = review_queue(uow, NOON, subject=subject)
        for offset in (0, 50, 2_450, 5_000, whole.count - 7, whole.count):
            page = review_queue(uow, NOON, subject=subject, limit=50, offset=offset)
            assert page.count == whole.count == len(whole.lines)
            assert page.lines == whole.lines[offset : offset + 50]


def test_what_waits_comes_in_the_queues_order(store: Store) -> None:
    with store.begin_read() as uow:
        first = [one.id for one in islice(waiting_in_order(uow, NOON), 3_000)]
        lines = review_queue(uow, NOON, limit=3_000).lines
    assert first == [line.finding.id for line in lines]

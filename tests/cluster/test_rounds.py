"""A round on workers: the same books as a round of one process."""

from patrol.domain.round import RoundState
from patrol.store import Store
from tests.support.cluster import (
    ClusterPlace,
    book_problems,
    make_runner,
    run_a_round,
    running_worker,
)


def test_two_rounds_on_two_workers(place: ClusterPlace, store: Store) -> None:
    runner = make_runner(place, store, clustered=True)
    links = place.link_names
    with running_worker(place, links[:2], "one"), running_worker(place, links[2:], "two"):
        ended = [run_a_round(runner) for _ in range(2)]
    assert [one.state for one in ended] == [RoundState.FINISHED] * 2
    assert book_problems(place, store, [one.id for one in ended]) == []

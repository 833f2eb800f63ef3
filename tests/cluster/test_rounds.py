"""A round on workers: the same books as a round of one process, and what a cluster adds to them.

`runs` is the contract that a round of one process and a round on workers share.
"""

import hashlib
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from typing_extensions import override

from patrol.clock import SystemClock
from patrol.cluster.exchange import Folder, visit_owner
from patrol.cluster.queue import read_figures
from patrol.cluster.results import VisitResult, result_to_data
from patrol.cluster.round_execution import no_worker_reason
from patrol.domain.ids import Sha256
from patrol.domain.observation import Light
from patrol.domain.round import Round, RoundState, StoredPicture, Visit, VisitOutcome
from patrol.domain.schedule import StoppageScope
from patrol.rounds.progress import RoundProgress
from patrol.rounds.visit_judge import MAX_JUDGINGS
from patrol.store import Store, open_store
from patrol.store.cluster import ResultOutcome
from tests.support.cluster import (
    ClusterPlace,
    SleepingCameras,
    WrongClock,
    make_runner,
    open_site_cluster,
    round_problems,
    run_a_round,
    running_worker,
)
from tests.support.cluster_messages import SITE


@dataclass
class Rounds:
    """Runs rounds of one kind in one place."""

    place: ClusterPlace
    store: Store
    clustered: bool
    cameras: SleepingCameras

    def run(self, **more: object) -> Round:
        runner = make_runner(self.place, self.store, clustered=self.clustered, cameras=self.cameras)
        return run_a_round(runner, **more)  # type: ignore[arg-type]


@pytest.fixture(params=["one process", "cluster"])
def rounds(request: pytest.FixtureRequest, place: ClusterPlace, store: Store) -> Iterator[Rounds]:
    clustered, cameras = request.param == "cluster", SleepingCameras()
    found = Rounds(place, store, clustered, cameras)
    if not clustered:
        yield found
        return
    links = place.link_names
    with (
        running_worker(place, links[:2], "one", client=cameras, at_once=2),
        running_worker(place, links[2:], "two", client=cameras, at_once=2),
    ):
        yield found


def test_every_camera_once_with_its_picture_and_its_reference(rounds: Rounds) -> None:
    ended = [rounds.run() for _ in range(2)]
    assert [one.state for one in ended] == [RoundState.FINISHED] * 2
    assert round_problems(rounds.place, rounds.store, [one.id for one in ended]) == []
    assert len(rounds.cameras.calls) == 2 * rounds.place.cameras


def test_stopped_and_taken_up_visits_nobody_twice(rounds: Rounds) -> None:
    rounds.cameras.silent_after = 3  # so that the round cannot end before it is stopped
    stop = threading.Event()

    def on_progress(progress: RoundProgress) -> None:
        if progress.done >= 3:
            stop.set()

    first = rounds.run(stop=stop, on_progress=on_progress)
    assert first.state is RoundState.INTERRUPTED
    rounds.cameras.silent_after = None
    second = rounds.run()
    assert (second.id, second.state) == (first.id, RoundState.FINISHED)
    assert round_problems(rounds.place, rounds.store, [first.id]) == []


def test_a_withdrawn_household_is_not_visited(rounds: Rounds) -> None:
    gone = next(iter(rounds.place.town))
    with rounds.store.begin() as uow:
        uow.consents.withdraw(gone, by="test", now=SystemClock().now())
        uow.commit()
    ended = rounds.run()
    with rounds.store.begin_read() as uow:
        visits = {visit.camera: visit for visit in uow.rounds.visits(ended.id)}
    assert gone not in visits or visits[gone].outcome is VisitOutcome.MISSED
    assert f"/{int(gone)}" not in rounds.cameras.calls


@pytest.mark.parametrize("skew_s", [-3600.0, 3600.0])
def test_a_service_whose_clock_is_an_hour_off_misses_nobody(
    place: ClusterPlace, store: Store, skew_s: float
) -> None:
    wrong = WrongClock(skew_s, step_after_s=math.inf)
    runner = make_runner(place, store, clustered=True, clock=wrong)
    with running_worker(place, place.link_names, "one"):
        finish_by = wrong.now() + timedelta(minutes=2)
        ended = runner.run(runner.begin_round("morning", finish_by, at_any_hour=True))
    assert ended.state is RoundState.FINISHED
    assert round_problems(place, store, [ended.id]) == []


def test_a_pause_interrupts_the_round(rounds: Rounds) -> None:
    rounds.cameras.silent_after = 3  # so that the round cannot end before the pause is seen
    paused = threading.Event()

    def on_progress(progress: RoundProgress) -> None:
        if progress.done >= 1 and not paused.is_set():
            paused.set()
            now = SystemClock().now()
            with rounds.store.begin() as uow:
                uow.stoppages.add(
                    scope=StoppageScope.ROUNDS, subject="", start=now,
                    until=now + timedelta(hours=1), reason="festival", by="test", now=now,
                )  # fmt: skip
                uow.commit()

    ended = rounds.run(on_progress=on_progress)
    assert ended.state is RoundState.INTERRUPTED
    assert "festival" in ended.reason
    with rounds.store.begin_read() as uow:
        assert uow.rounds.totals(ended.id).pending > 0


def test_what_no_time_is_left_for_is_missed(rounds: Rounds) -> None:
    rounds.cameras.delay_s = 1.0
    ended = rounds.run(within_s=0.5)
    with rounds.store.begin_read() as uow:
        totals = uow.rounds.totals(ended.id)
    assert ended.state is RoundState.FINISHED
    assert totals.missed > 0
    assert totals.pending == 0


# -- of a cluster alone ----------------------------------------------------------------------------


class AdjustableClock(SystemClock):
    """The machine's clock, and what a test adds to it."""

    ahead = timedelta()

    @override
    def now(self) -> datetime:
        return super().now() + self.ahead


def test_a_link_that_no_worker_reaches_is_missed_for_that_reason(
    place: ClusterPlace, store: Store
) -> None:
    links, clock = place.link_names, AdjustableClock()
    served = sum(camera.link in links[:2] for camera in place.town.values())

    def on_progress(progress: RoundProgress) -> None:
        if progress.done == served:
            clock.ahead = timedelta(hours=1)  # past finish-by

    with running_worker(place, links[:2], "one"):
        runner = make_runner(place, store, clustered=True, clock=clock)
        ended = run_a_round(runner, on_progress=on_progress)
    with store.begin_read() as uow:
        visits = uow.rounds.visits(ended.id)
    missed = [visit.seen for visit in visits if visit.outcome is VisitOutcome.MISSED]
    assert missed == [no_worker_reason(links[2])] * (place.cameras - served)
    assert len(visits) == place.cameras


def test_key_sites_come_first_over_all_workers(new_place: Callable[..., ClusterPlace]) -> None:
    place = new_place(cameras=24, links=2, key_every=4, delay_s=0.01)
    town, cameras = place.town, SleepingCameras(0.01)
    with open_store(place.database) as store:
        runner = make_runner(place, store, clustered=True)
        started = threading.Event()
        results: list[Round] = []

        def run() -> None:
            results.append(run_a_round(runner, on_progress=lambda _p: started.set()))

        thread = threading.Thread(target=run)
        thread.start()
        wait_for_jobs(place, 4)  # all is in the queue before anybody works
        with running_worker(place, place.link_names, "one", slots=1, at_once=1, client=cameras):
            thread.join(60)
    order = [town[next(c for c in town if f"/{int(c)}" == path)] for path in cameras.calls]
    keys = [camera.priority.value == "key" for camera in order]
    assert keys == sorted(keys, reverse=True)
    assert results[0].state is RoundState.FINISHED


def wait_for_jobs(place: ClusterPlace, count: int) -> None:
    for _ in range(300):
        if sum(link.waiting for link in read_figures(place.database, SITE)) >= count:
            return
        SystemClock().sleep(0.05)
    raise AssertionError("the shards did not come")


def deliver(place: ClusterPlace, store: Store, result: VisitResult) -> None:
    round_id = result.visit.round
    assert round_id is not None
    with store.begin() as uow:
        uow.cluster.deliver("one", [(round_id, result.visit.camera, result_to_data(result))])
        uow.commit()


def last_result(place: ClusterPlace, store: Store, ended: Round) -> VisitResult:
    """A result such as a worker delivered in this round, its picture in the exchange again."""
    with store.begin_read() as uow:
        visit = uow.rounds.visits(ended.id)[0]
    jpeg = f"picture of {visit.camera} in {ended.id}".encode()
    place.open_exchange().put(Folder.RESULTS, jpeg, visit_owner(ended.id, visit.camera))
    return VisitResult(visit=visit, taught={}, based_on={})


def test_a_result_after_the_round_changes_nothing_and_is_counted(
    place: ClusterPlace, store: Store
) -> None:
    with running_worker(place, place.link_names, "one"):
        ended = run_a_round(make_runner(place, store, clustered=True))
    late = last_result(place, store, ended)
    deliver(place, store, replace(late, visit=replace(late.visit, outcome=VisitOutcome.PROBLEM)))
    assert open_site_cluster(place, store).settle_late() == 1
    with store.begin_read() as uow:
        assert uow.cluster.counts(ended.id)[ResultOutcome.LATE] == 1
        assert uow.cluster.waiting()[0] == 0
    assert round_problems(place, store, [ended.id]) == []
    assert list(place.open_exchange().written_before(Folder.RESULTS, SystemClock().now())) == []


def begin(place: ClusterPlace, store: Store) -> Round:
    finish_by = SystemClock().now() + timedelta(seconds=60)
    return make_runner(place, store, clustered=True).begin_round(
        "morning", finish_by, at_any_hour=True
    )


def a_result(place: ClusterPlace, begun: Round, *, with_picture: bool = True) -> VisitResult:
    """What a worker delivers for the first camera."""
    camera, now = next(iter(place.town)), SystemClock().now()
    jpeg = f"picture of {camera} in {begun.id}".encode()
    sha256 = Sha256(hashlib.sha256(jpeg).hexdigest())
    if with_picture:
        place.open_exchange().put(Folder.RESULTS, jpeg, visit_owner(begun.id, camera))
    picture = StoredPicture(
        sha256=sha256, camera=camera, taken_at=now, width_px=4, height_px=4, bytes=len(jpeg),
        purpose="evidence", delete_after=now + timedelta(days=3650),
    )  # fmt: skip
    visit = Visit(
        round=begun.id, camera=camera, outcome=VisitOutcome.NORMAL, started_at=now,
        finished_at=now, usable_pictures=1, pictures=(picture,),
    )  # fmt: skip
    return VisitResult(visit=visit)


def finish(place: ClusterPlace, store: Store, begun: Round) -> None:
    runner = make_runner(place, store, clustered=True)
    with running_worker(place, place.link_names, "one"):
        assert runner.run(begun).state is RoundState.FINISHED


def counts(store: Store, begun: Round) -> dict[ResultOutcome, int]:
    with store.begin_read() as uow:
        return dict(uow.cluster.counts(begun.id))


def test_a_result_that_comes_twice_is_recorded_once(place: ClusterPlace, store: Store) -> None:
    begun = begin(place, store)
    result = a_result(place, begun)
    for _ in range(3):
        deliver(place, store, result)
    finish(place, store, begun)
    found = counts(store, begun)
    assert (found[ResultOutcome.RECORDED], found[ResultOutcome.REPEATED]) == (place.cameras, 2)


def test_how_long_a_picture_is_kept_is_not_the_workers_to_say(
    place: ClusterPlace, store: Store
) -> None:
    begun = begin(place, store)
    deliver(place, store, a_result(place, begun))
    finish(place, store, begun)
    with store.begin_read() as uow:
        pictures = [one for visit in uow.rounds.visits(begun.id) for one in visit.pictures]
    assert {(one.purpose, (one.delete_after - one.taken_at).days) for one in pictures} == {
        ("sample", 7)
    }


@pytest.mark.parametrize("wrong", ["no picture", "another picture", "another camera", "no result"])
def test_a_result_that_is_not_whole_is_refused_and_the_camera_visited_again(
    wrong: str, place: ClusterPlace, store: Store
) -> None:
    begun = begin(place, store)
    result = a_result(place, begun, with_picture=False)
    data, camera = result_to_data(result), result.visit.camera
    if wrong == "another picture":
        name = place.open_exchange().blob_name(result.pictures[0], visit_owner(begun.id, camera))
        place.open_exchange().write(Folder.RESULTS, name, b"PTS1" + b"x" * 40)
    if wrong == "another camera":
        data["visit"]["camera"] = list(place.town)[1]
    if wrong == "no result":
        data = {"visit": {"camera": camera}}
    with store.begin() as uow:
        uow.cluster.deliver("one", [(begun.id, camera, data)])
        uow.commit()
    finish(place, store, begun)
    assert counts(store, begun)[ResultOutcome.REFUSED] == 1
    assert round_problems(place, store, [begun.id]) == []


def test_a_visit_that_waits_to_be_recorded_is_not_called_unjudgeable(
    place: ClusterPlace, store: Store
) -> None:
    """Two workers began to judge it, one delivered; then the service was killed and came back."""
    begun = begin(place, store)
    result = a_result(place, begun)
    deliver(place, store, result)
    with store.begin() as uow:
        for _ in range(MAX_JUDGINGS):
            uow.rounds.begin_judging(begun.id, result.visit.camera)
        uow.commit()
    finish(place, store, begun)
    with store.begin_read() as uow:
        assert uow.rounds.totals(begun.id).normal == place.cameras


def test_what_another_taught_meanwhile_is_not_overwritten(
    place: ClusterPlace, store: Store
) -> None:
    begun = begin(place, store)
    result = a_result(place, begun)
    camera = result.visit.camera
    owner = visit_owner(begun.id, camera)
    taught = place.open_exchange().put(Folder.RESULTS, f"{camera}:99".encode(), owner)
    with store.begin() as uow:
        uow.memories.put(camera, Light.DAY, b"a person's", SystemClock().now())
        uow.commit()
    deliver(place, store, replace(result, taught={Light.DAY: taught}))
    finish(place, store, begun)
    with store.begin_read() as uow:
        assert uow.memories.get(camera, Light.DAY) == b"a person's"
    assert counts(store, begun)[ResultOutcome.STALE_REFERENCE] == 1

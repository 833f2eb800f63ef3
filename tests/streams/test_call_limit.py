"""Limits of calls: so many at once, evenly begun, the first come first; one flight for all."""

import asyncio
import threading

from streams.call_limit import CallLimit, SingleFlight


def test_no_more_than_the_limit_at_once_and_in_their_order() -> None:
    async def main() -> tuple[int, list[int]]:
        limit, inside, most, order = CallLimit(3, 0), 0, 0, []

        async def call(number: int) -> None:
            nonlocal inside, most
            async with limit.slot():
                order.append(number)
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*(call(n) for n in range(20)))
        return most, order

    most, order = asyncio.run(main())
    assert most == 3
    assert order == list(range(20))


def test_a_cancelled_caller_gives_its_place_on() -> None:
    async def main() -> list[str]:
        limit, seen = CallLimit(1, 0), []
        held = asyncio.Event()

        async def holder() -> None:
            async with limit.slot():
                await held.wait()

        async def waiter(name: str) -> None:
            async with limit.slot():
                seen.append(name)

        first = asyncio.create_task(holder())
        await asyncio.sleep(0)
        gone, stays = asyncio.create_task(waiter("gone")), asyncio.create_task(waiter("stays"))
        await asyncio.sleep(0)
        gone.cancel()
        held.set()
        await asyncio.gather(first, gone, stays, return_exceptions=True)
        async with limit.slot():  # the place is free again
            return seen

    assert asyncio.run(main()) == ["stays"]


def test_calls_begin_evenly() -> None:
    limit = CallLimit(10, 4.0, monotonic_s=lambda: 100.0)
    assert [limit._pause_s() for _ in range(3)] == [0.0, 0.25, 0.5]


def test_one_flight_serves_several_event_loops() -> None:
    flight: SingleFlight[int] = SingleFlight()
    runs, results, begun, go = [], [], threading.Event(), threading.Event()

    async def work() -> int:
        runs.append(1)
        begun.set()
        await asyncio.to_thread(go.wait, 10)
        return 7

    def ask() -> None:
        results.append(asyncio.run(flight.run(work)))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    threads[0].start()
    assert begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    while flight._flight is not None and len(flight._flight._done_callbacks) < 3:
        threading.Event().wait(0.005)
    go.set()
    for thread in threads:
        thread.join(10)
    assert (results, runs) == ([7] * 4, [1])


def test_who_waits_takes_over_from_a_cancelled_one_and_errors_reach_all() -> None:
    async def main() -> None:
        flight: SingleFlight[str] = SingleFlight()
        started = asyncio.Event()

        async def hang() -> str:
            started.set()
            await asyncio.Event().wait()
            return ""

        async def answer() -> str:
            return "mine"

        first = asyncio.create_task(flight.run(hang))
        await started.wait()
        second = asyncio.create_task(flight.run(answer))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == "mine"

        async def fail() -> str:
            await asyncio.sleep(0)
            raise ValueError("no")

        both = await asyncio.gather(flight.run(fail), flight.run(fail), return_exceptions=True)
        assert [type(result) for result in both] == [ValueError, ValueError]

    asyncio.run(main())

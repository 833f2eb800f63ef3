"""The gate in front of every decoder: pixels, number at once, order."""

import threading

import pytest

from streams.picture_limits import DecodeGate, PictureTooLarge


def test_more_pixels_than_the_limit_are_refused_with_both_numbers() -> None:
    gate = DecodeGate(max_px=1_000_000)
    with gate.decoding(1000, 1000):
        assert gate.under_way == 1
    with pytest.raises(PictureTooLarge, match="1001×1000 pixels, 1 MP"), gate.decoding(1001, 1000):
        pass
    assert gate.under_way == 0


@pytest.mark.parametrize(
    ("size_px", "at_once", "expected"),
    [((1000, 1000), 16, 2), ((0, 0), 16, 2), ((500, 500), 16, 8), ((10, 10), 3, 3)],
)
def test_so_many_decode_at_once(size_px: tuple[int, int], at_once: int, expected: int) -> None:
    gate = DecodeGate(max_px=1_000_000, at_once=at_once)
    inside, release = threading.Semaphore(0), threading.Event()
    most: list[int] = []

    def decode() -> None:
        with gate.decoding(*size_px):
            most.append(gate.under_way)
            inside.release()
            assert release.wait(20)

    threads = [threading.Thread(target=decode) for _ in range(20)]
    for thread in threads:
        thread.start()
    for _ in range(expected):
        assert inside.acquire(timeout=20)
    assert not inside.acquire(timeout=0.2), "one more than the budget got in"
    release.set()
    for thread in threads:
        thread.join(20)
    assert (len(most), max(most), gate.under_way) == (20, expected, 0)


def test_a_large_picture_is_not_passed_by_small_ones() -> None:
    gate = DecodeGate(max_px=1_000_000)
    inside, release, order = threading.Semaphore(0), threading.Event(), list[str]()

    def decode(name: str, width_px: int) -> None:
        with gate.decoding(width_px, 1000):
            order.append(name)
            inside.release()
            assert release.wait(20)

    def start(name: str, width_px: int) -> threading.Thread:
        thread = threading.Thread(target=decode, args=(name, width_px))
        thread.start()
        return thread

    threads = [start("first", 900), start("second", 900)]
    assert inside.acquire(timeout=20)
    assert inside.acquire(timeout=20)
    threads.append(start("large", 1000))  # there is room for 200,000 pixels
    assert not inside.acquire(timeout=0.2)
    threads.append(start("small", 10))
    assert not inside.acquire(timeout=0.2), "the small one has room, and waits its turn"
    release.set()
    for thread in threads:
        thread.join(20)
    assert order[2:] == ["large", "small"]

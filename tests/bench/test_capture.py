"""The books of `bench capture`: ratios against the floor of the same run."""

import pytest

from patrol.bench.capture import FLOOR, OURS, WayCost, as_document, measure_ours, run


def cost(how: str, got: int, cpu_s: float) -> WayCost:
    return WayCost(how=how, cameras=got, got=got, cpu_s=cpu_s, wall_s=1.0, peak_rss_mb=50.0)


def test_the_middle_of_the_ratios_is_the_result() -> None:
    pairs = [
        (cost(OURS, 600, 6.0), cost(FLOOR, 600, 5.0)),
        (cost(OURS, 600, 9.0), cost(FLOOR, 600, 5.0)),
        (cost(OURS, 600, 6.25), cost(FLOOR, 600, 5.0)),
    ]
    document = as_document(pairs, [cost("slow", 4, 1.0), cost("slower", 4, 2.0)])
    assert document["times_floor"] == 1.25
    assert document["within"] is True
    assert document["times_floor_of_each_run"] == [1.2, 1.8, 1.25]
    assert [row["how"] for row in document["ways"]] == ["slower", "slow", OURS, FLOOR]
    assert document["ways"][0]["cpu_ms_per_camera"] == 500.0


def test_a_way_that_fails_says_so() -> None:
    with pytest.raises(RuntimeError, match="0 of 1"):
        measure_ours(["rtsp://user:s3cret@127.0.0.1:1/"])


@pytest.mark.slow
def test_a_small_run_end_to_end() -> None:
    document = run(cameras=8, repeats=1, slow_ways=False)
    ours, floor = document["ways"]
    assert (ours["pictures"], floor["pictures"]) == (8, 8)
    assert ours["cpu_ms_per_camera"] > 0 < floor["cpu_ms_per_camera"]

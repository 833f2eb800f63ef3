"""The registry: grids above and below one another; addresses that print no secret."""

from dataclasses import replace

import pytest

from patrol.domain.ids import GridCode
from simulators import small_site
from streams.address import StreamAddress, StreamChoice

REGISTRY = small_site.registry()
TREE = REGISTRY.tree
CAMERA = REGISTRY.cameras[small_site.CAMERA]
UNKNOWN = GridCode("999999999999999")


@pytest.mark.parametrize(
    ("code", "village"),
    [
        pytest.param(CAMERA.grid, small_site.VILLAGE, id="a group of it"),
        pytest.param(small_site.VILLAGE, small_site.VILLAGE, id="itself"),
        pytest.param(small_site.TOWN, None, id="the town is in none"),
        pytest.param(UNKNOWN, None, id="a code that left the tree"),
    ],
)
def test_the_village_of_a_grid(code: GridCode, village: GridCode | None) -> None:
    assert TREE.village_of(code) == village


def test_within_holds_for_itself_and_what_lies_below() -> None:
    assert TREE.is_within(CAMERA.grid, small_site.VILLAGE)
    assert TREE.is_within(small_site.VILLAGE, small_site.VILLAGE)
    assert not TREE.is_within(small_site.VILLAGE, CAMERA.grid)
    assert not TREE.is_within(UNKNOWN, UNKNOWN)


def test_the_smallest_common_grid() -> None:
    group, village, other = CAMERA.grid, small_site.VILLAGE, small_site.OTHER_VILLAGE
    assert TREE.smallest_common([group]) == group
    assert TREE.smallest_common([group, village]) == village
    assert TREE.smallest_common([group, other]) == small_site.TOWN
    assert TREE.smallest_common([group, UNKNOWN]) is None
    assert TREE.smallest_common([]) is None


def test_a_camera_prints_no_secret_of_its_addresses() -> None:
    secret = StreamAddress.parse("rtsp://admin:s3cret@10.0.0.1/1?token=t0ken")
    camera = replace(CAMERA, main_stream=secret, sub_stream=secret)
    printed = f"{camera!r} {camera} {secret!r} {secret}"
    assert "s3cret" not in printed
    assert "t0ken" not in printed
    assert "admin" not in printed


def test_without_a_sub_stream_the_main_one_is_visited() -> None:
    sub = StreamAddress.parse("rtsp://10.0.0.1/2")
    assert replace(CAMERA, sub_stream=sub).stream(StreamChoice.SUB) is sub
    assert replace(CAMERA, sub_stream=sub).stream(StreamChoice.MAIN) is CAMERA.main_stream
    assert replace(CAMERA, sub_stream=None).stream(StreamChoice.SUB) is CAMERA.main_stream

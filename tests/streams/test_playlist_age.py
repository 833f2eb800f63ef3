"""Playlists that nobody renews, by their dates and by watching them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.playlist_age import PlaylistWatch, read_playlist

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def playlist(
    sequence: int = 7, *, dated: datetime | None = None, more: str = "", duration: float = 2
) -> str:
    date = f"#EXT-X-PROGRAM-DATE-TIME:{dated.isoformat()}\n" if dated else ""
    segments = "".join(f"#EXTINF:{duration},\ns{sequence + n}.ts\n" for n in range(3))
    head = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{sequence}\n"
    return head + date + segments + more


@pytest.mark.parametrize(
    ("age_s", "stale"),
    [(0, False), (30, False), (60, False), (80, True), (600, True), (3600, True), (86_400, True),
     (8 * 3600, False), (8 * 3600 + 900, True), (-8 * 3600, False), (7 * 3600, True)],
)  # fmt: skip
def test_its_own_dates(age_s: float, stale: bool) -> None:  # noqa: FBT001
    text = playlist(dated=NOON - timedelta(seconds=age_s + 6))
    assert (PlaylistWatch().problem("u", text, NOON) is not None) is stale


@pytest.mark.parametrize("more", ["#EXT-X-ENDLIST\n", "#EXT-X-PLAYLIST-TYPE:VOD\n"])
def test_a_recording_has_no_age(more: str) -> None:
    text = playlist(dated=NOON - timedelta(days=3), more=more)
    assert PlaylistWatch().problem("u", text, NOON) is None


def test_a_live_playlist_moves_on() -> None:
    watch = PlaylistWatch()
    for second in range(0, 30, 2):
        clock = NOON + timedelta(seconds=second)
        assert watch.problem("u", playlist(second // 2), clock) is None
    still = playlist(14)
    assert watch.problem("u", still, NOON + timedelta(seconds=36)) is None
    found = watch.problem("u", still, NOON + timedelta(seconds=40))
    assert found == "the playlist has no new segment for 12 s"
    assert watch.problem("other", still, NOON + timedelta(seconds=40)) is None


def test_a_master_playlist_is_none() -> None:
    assert read_playlist("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n") is None
    assert read_playlist("#EXTM3U\n") is None


@given(
    st.text(alphabet=st.sampled_from("#EXT-XINF:MSEQUDAROPG0123456789.,TZ+ \n\r\té"), max_size=400)
)
def test_no_playlist_raises(text: str) -> None:
    PlaylistWatch().problem("u", "#EXTM3U\n" + text, NOON)

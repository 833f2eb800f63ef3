"""A recorder with a stream limit over real RTSP: a whole round sees every channel."""

import pytest

from simulators.rtsp_farm.control import FarmControl
from simulators.rtsp_farm.process import running_farm
from tests.e2e.site import PatrolSite

pytestmark = pytest.mark.slow


# A hang-up may also be a broken channel: what was served at once is then never forbidden again, and
# how much that was is known to a stream or two.
@pytest.mark.parametrize(("limit", "refused_again"), [("6:453", 3), ("6:0", 8)])
def test_every_channel_is_seen_and_the_next_round_knows_the_limit(
    patrol_site: PatrolSite, limit: str, refused_again: int
) -> None:
    with running_farm(
        patrol_site.folder, cameras=40, profile="tiny", stream_limit=limit
    ) as farm, FarmControl(farm.control_port) as control:  # fmt: skip
        patrol_site.edit(objects=False, sampling={"pictures": 1})
        turned_away = []
        for plan in ("morning", "afternoon"):
            before = control.stats()["turned_away"]
            summary = patrol_site.json("round", plan)
            assert summary["planned"] > 20
            assert summary["seen"] == summary["planned"], summary
            turned_away.append(control.stats()["turned_away"] - before)
    assert turned_away[0] >= 1, "the limit was met"
    assert turned_away[1] <= refused_again, "it is known now"

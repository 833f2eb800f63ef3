"""The built-in sets: made of whatever clips are installed, labelled, and the same every time."""

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from patrol.domain.observation import Light
from patrol.evaluation import datasets
from patrol.evaluation.footage import VideoClip
from patrol.evaluation.labels import LabelledVisit

FROM_CLIPS = [name for name in datasets.SETS if name != "flames"]  # those have clips of their own


@pytest.fixture(autouse=True)
def one_installed_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "yard.png"
    yard = np.random.default_rng(4).integers(40, 200, (180, 320, 3)).astype(np.uint8)
    cv2.imwrite(str(path), cv2.GaussianBlur(yard, (0, 0), 2))
    clips = (VideoClip(name="yard", path=path), VideoClip(name="missing", path=tmp_path / "no.png"))
    for halves in (datasets.HALVES, datasets.VIEWS):
        monkeypatch.setitem(halves, "judging", clips)


def visits(name: str) -> list[LabelledVisit]:
    return list(islice(datasets.SETS[name]("judging"), 100))


@pytest.mark.parametrize("name", FROM_CLIPS)
def test_a_set_yields_labelled_visits_with_two_pictures(name: str) -> None:
    made = visits(name)
    assert len(made) > 20
    assert made[0].accept
    assert {one.light for one in made} <= {Light.DAY, Light.INFRARED}
    for visit in made[:: len(made) // 4]:
        assert [picture.dtype for picture in visit.pictures()] == [np.uint8, np.uint8]


def test_what_was_put_in_is_labelled() -> None:
    objects = [one.new_objects for one in visits("newcomers") if not one.accept]
    assert sum(bool(boxes) for boxes in objects) * 3 == pytest.approx(len(objects), abs=3)
    assert {one.new_objects for one in visits("shadows") if not one.accept} == {()}
    faults = {kind for one in visits("faults") for kind in one.faults or ()}
    assert faults >= {"blur", "freeze", "scene_shift"}
    assert any(one.smoke for one in visits("smoke"))


def test_a_set_is_the_same_every_time() -> None:
    first, again = (visits("newcomers")[12].pictures()[0] for _ in range(2))
    assert (first == again).all()

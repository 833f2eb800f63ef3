"""A site's own models, from models.yaml to what the rounds go without."""

import hashlib
from collections.abc import Mapping, Sequence
from contextvars import copy_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from patrol.app.detectors import Detectors, open_detectors
from patrol.domain.reader_language import set_reader_language
from patrol.settings import ConfigProblems, load_site

pytest.importorskip("onnxruntime", reason="pip install 'patrol[objects]'")
F32 = NDArray[np.float32]
FILES = {
    "site.yaml": "site: {id: small, name: 小镇, latitude: 39.6, longitude: 98.75}\n",
    "grids.csv": "grid_code,name,level,parent\n620902104000000,小镇,town,\n",
    "people.csv": "person_id,name,role,grid_code,mqtt_user,phone,substitute_for\n"
    "T1,镇值班,town_duty,620902104000000,T1,,\n",
    "cameras.csv": "camera_id,name,grid_code,place,url,sub_url,link,household_ref,outdoor,consent,"
    "consent_until,priority,tags,lon,lat\n"
    "62090204011327000001,一号,620902104000000,村口,rtsp://192.0.2.1/a,,,,yes,pending,,,,,\n",
}
BOX = (24 / 64, 4 / 64, 16 / 64, 8 / 64)


def yolox() -> list[F32]:
    rows = np.zeros((84, 7), np.float32)
    rows[12] = (0.0, 0.0, np.log(2), np.log(1), 0.9, 0.1, 1.0)
    return [rows[np.newaxis]]


def yolov8() -> list[F32]:
    columns = np.zeros((6, 84), np.float32)
    columns[:, 3] = (32, 8, 16, 8, 0.05, 0.9)
    return [columns[np.newaxis]]


def end_to_end() -> list[F32]:
    rows = np.zeros((20, 6), np.float32)
    rows[2] = (24, 4, 40, 12, 0.9, 1)
    return [rows[np.newaxis]]


def detr() -> list[F32]:
    logits = np.full((10, 2), -6, np.float32)
    logits[6, 1] = 3
    boxes = np.full((10, 4), 0.1, np.float32)
    boxes[6] = (0.5, 8 / 64, 16 / 64, 8 / 64)
    return [logits[np.newaxis], boxes[np.newaxis]]


ANSWERS = {"yolox": yolox(), "yolov8": yolov8(), "end_to_end": end_to_end(), "detr": detr()}


class Site:
    """A configuration directory whose models.yaml names models made by the test."""

    def __init__(self, folder: Path, weights: bytes) -> None:
        self.folder, self.weights = folder, weights
        self.path = folder / "own.onnx"
        self.path.write_bytes(weights)
        for name, text in FILES.items():
            (folder / name).write_text(text, encoding="utf-8")

    def entry(self, **changed: Any) -> dict[str, Any]:
        return {
            "purpose": "objects", "path": str(self.path), "licence": "the site's own",
            "sha256": hashlib.sha256(self.weights).hexdigest(), "layout": "yolox",
            "labels": ["person", "tractor"], "input": {"size": [64, 64]}, **changed,
        }  # fmt: skip

    def write(self, models: Mapping[str, Any]) -> "Site":
        text = yaml.safe_dump({"models": dict(models)}, sort_keys=False)
        (self.folder / "models.yaml").write_text(text, encoding="utf-8")
        return self

    def open(self) -> Detectors:
        return open_detectors(load_site(self.folder, {}))

    def complaints(self) -> list[str]:
        with pytest.raises(ConfigProblems) as caught:
            load_site(self.folder, {})
        return [str(one).removeprefix(f"{self.folder}/") for one in caught.value.problems]


@pytest.fixture
def site(tmp_path: Path, make_onnx: Any) -> Any:
    def made(outputs: Sequence[F32]) -> Site:
        return Site(tmp_path, make_onnx((1, 3, 64, 64), outputs))

    return made


@pytest.mark.parametrize("layout", list(ANSWERS))
def test_any_layout_comes_in_by_manifest(layout: str, site: Any) -> None:
    here = site(ANSWERS[layout])
    detector = here.write({"own": here.entry(layout=layout)}).open()
    assert detector.without == ()
    assert detector.objects is not None
    (seen,) = detector.objects.detect(np.zeros((64, 64, 3), np.uint8))
    assert (seen.label, seen.box) == ("tractor", pytest.approx(BOX, abs=1e-5))
    assert detector.objects.gauge.startswith("own/")


@pytest.mark.parametrize(("changed", "message"), [
    pytest.param({"sha256": "0" * 64}, "has sha256", id="hash"),
    pytest.param({"labels": ["person", "tractor", "sheep"]}, "with 3 labels", id="too many labels"),
    pytest.param({"labels": "coco80"}, "with 80 labels", id="another list of labels"),
    pytest.param({"input": {"size": [96, 96]}}, "does not take 1 × 3 × 96 × 96", id="shape"),
    pytest.param({"layout": "detr"}, "layout detr", id="layout"),
    pytest.param({"path": "nowhere/own.onnx"}, "no file", id="no file"),
    pytest.param({"path": "/"}, "cannot be read", id="a folder"),
])  # fmt: skip
def test_a_file_that_is_not_as_its_entry_says_is_refused_by_name(
    changed: dict[str, Any], message: str, site: Any
) -> None:
    here = site(yolox())

    def open_for_english_reader() -> Detectors:
        set_reader_language("en")
        return here.write({"own": here.entry(**changed)}).open()

    detector = copy_context().run(open_for_english_reader)
    assert detector.objects is None
    (lack,) = detector.without
    assert "model own:" in lack
    assert message in lack
    assert "\n" not in lack


def test_a_fire_model_has_a_slot_of_its_own(site: Any) -> None:
    here = site(end_to_end())
    fire = here.entry(purpose="fire", layout="end_to_end", labels=["smoke", "Fire"], min_score=0.6)
    detector = here.write({"licensed": fire, "own": here.entry(layout="end_to_end")}).open()
    assert detector.without == ()
    assert detector.fire is not None
    assert detector.fire.min_score == 0.6
    assert [seen.label for seen in detector.fire.detect(np.zeros((64, 64, 3), np.uint8))] == [
        "fire"
    ]
    assert (detector.objects.gauge if detector.objects else "").startswith("own/")


def test_a_broken_fire_model_does_not_cost_the_objects(site: Any) -> None:
    here = site(yolox())
    broken = here.entry(purpose="fire", labels=["fire"], sha256="1" * 64)
    detector = here.write({"licensed": broken, "own": here.entry()}).open()
    assert detector.objects is not None
    assert detector.fire is None
    assert [lack.split("：")[0] for lack in detector.without] == ["不用火情模型"]


@pytest.mark.parametrize(("changed", "complaint"), [
    ({"layout": "yolov99"}, "models.own.layout: 'yolov99' is unknown"),
    ({"sha256": "abc"}, "models.own.sha256: is 64 hex digits"),
    ({"path": None}, "models.own.path: is missing"),
    ({"purpose": "faces"}, "models.own.purpose: give one of objects, fire"),
    ({"layout": "centerface"}, "models.own.layout: centerface finds no objects"),
    ({"input": {"size": [64]}}, "models.own.input.size: [64] is no size"),
    ({"colour": "red"}, "models.own.colour: unknown"),
])  # fmt: skip
def test_what_is_written_wrong_is_told_with_its_line(
    changed: dict[str, Any], complaint: str, site: Any
) -> None:
    here = site(yolox())
    noted = here.write({"own": here.entry(**changed)}).complaints()
    assert any(complaint in line and line.startswith("models.yaml:") for line in noted), noted


def test_the_line_is_the_fields_own(site: Any) -> None:
    here = site(yolox())
    (noted,) = here.write({"own": here.entry(layout="yolov99")}).complaints()
    assert noted.startswith("models.yaml:7: models.own.layout: ")


def test_two_models_for_one_purpose(site: Any) -> None:
    here = site(yolox())
    (noted,) = here.write({"own": here.entry(), "other": here.entry()}).complaints()
    assert "other: own is for objects already" in noted


def test_zones_may_name_what_the_sites_model_sees(site: Any) -> None:
    here = site(yolox())
    here.write({"own": here.entry()})
    zones = """\
"62090204011327000001":
  zones:
    - {name: 场, polygon: [[0, 0], [1, 0], [1, 1]], kind: blocking_vehicle, classes: [NAME]}
"""
    path = here.folder / "zones.yaml"
    path.write_text(zones.replace("NAME", "Tractor"), encoding="utf-8")
    assert load_site(here.folder, {}).notices == ()
    path.write_text(zones.replace("NAME", "dog"), encoding="utf-8")
    (notice,) = load_site(here.folder, {}).notices
    assert "model own has no label 'dog'" in notice.text
    path.write_text(zones.replace("NAME", "tractr"), encoding="utf-8")
    assert any("did you mean 'tractor'" in line for line in here.complaints())

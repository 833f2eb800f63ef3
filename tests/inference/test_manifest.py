"""The manifest: ours is whole, and a wrong one is refused with every reason."""

import pytest

from patrol.inference.errors import ManifestBroken
from patrol.inference.manifest import COCO80, read_manifest, shipped

GOOD = """
models:
  mine:
    sha256: {sha}
    licence: MIT
    layout: yolov8
    labels: [tractor, sheep]
    input: {{size: [640, 384], channels: rgb, scale: 0.00392}}
""".format(sha="a" * 64)


def test_ours_names_source_hash_and_licence_of_everything() -> None:
    assert {"yolox_nano", "centerface", "plates"} <= set(shipped())
    for spec in shipped().values():
        assert spec.source is not None
        assert spec.licence in {"Apache-2.0", "MIT"}
        assert spec.credit


def test_coco() -> None:
    assert len(COCO80) == len(set(COCO80)) == 80
    assert [COCO80[n] for n in (0, 2, 7, 67, 79)] == [
        "person", "car", "truck", "cell phone", "toothbrush",
    ]  # fmt: skip
    assert all(label == label.strip() for label in COCO80)


def test_a_sites_own_model() -> None:
    mine = read_manifest(GOOD, "models.yaml")["mine"]
    assert mine.labels == ("tractor", "sheep")
    assert (mine.input.width_px, mine.input.height_px, mine.input.rgb) == (640, 384, True)
    assert mine.input.scale == pytest.approx((0.00392,) * 3)
    assert mine.source is None


def test_labels_are_spelled_as_zones_spell_them() -> None:
    text = GOOD.replace("[tractor, sheep]", "[Farm_Tractor, pedestrian]")
    mine = read_manifest(text + "    rename: {Pedestrian: person}\n", "models.yaml")["mine"]
    assert mine.labels == ("farm tractor", "person")


@pytest.mark.parametrize(("good", "bad", "message"), [
    ("a" * 64, "a" * 63, "sha256: is 64"),
    ("yolov8", "yolov12x", "yolov12x"),
    ("licence: MIT", "license: MIT", "licence: is missing"),
    ("licence: MIT", "license: MIT", "license: unknown"),
    ("[tractor, sheep]", "[]", "list of names"),
    ("[tractor, sheep]", "coco81", "coco81"),
    ("[640, 384]", "[640, 0]", "input.size: .* is no size"),
    ("rgb", "hsv", "bgr or rgb"),
    ("0.00392", "0.00392, free: 1", "input.free: 1 is not true or false"),
    ("0.00392", "[1, 2]", "input.scale: .* three channels"),
    ("layout: yolov8", "layout: yolov8\n    purpose: fire", "labels: none of them is a fire's"),
    ("layout: yolov8", "layout: yolov8\n    min_score: 35", "min_score: 35 is no score"),
    ("  mine:", "  Mine!:", "lower-case"),
    ("models:", "model:", "no `models:`"),
    ("[640, 384]", "[640", r"^models\.yaml:\d+: not YAML$"),
])  # fmt: skip
def test_what_is_wrong_is_named(good: str, bad: str, message: str) -> None:
    with pytest.raises(ManifestBroken, match=message):
        read_manifest(GOOD.replace(good, bad), "models.yaml")


def test_all_wrong_entries_are_named_at_once() -> None:
    first = GOOD.replace("a" * 64, "x")
    second = GOOD.replace("models:", "").replace("mine", "yours").replace("yolov8", "none")
    with pytest.raises(ManifestBroken, match=r"mine: sha256: .*; .*yours: layout: 'none'"):
        read_manifest(first + second, "models.yaml")

"""zones.yaml edited by a program: what was asked for changes, everything else stays."""

import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from patrol.settings.zones_editor import NotEditable, camera_areas, replace_camera

ONE, TWO, THREE = ("6209020401132700000" + digit for digit in "123")
SQUARE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
OTHER = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8]]
KEPT = f"""\
# agreed at the meeting of 3 March
"{ONE}":
  # the neighbour's window stays out
  visible: [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]  # signed
  zones:
    # the village's road
    - name: 村口 "路"   # yes, quotes
      kind: blocking_vehicle
      polygon: [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
      classes: [car, truck]
      hours: 22:00-06:00

# a camera in braces
"{TWO}": {{"visible": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]}}
"{THREE}":
    zones: []

# the end
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "zones.yaml"
    path.write_text(text, "utf-8")
    return path


def parsed(text: str) -> Any:
    return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506  texts only


def test_only_the_key_that_changed_is_written_anew(tmp_path: Path) -> None:
    path = write(tmp_path, KEPT)
    now = camera_areas(path, ONE)
    text = replace_camera(path, ONE, {**now, "visible": OTHER})
    gone = set(KEPT.splitlines()) - set(text.splitlines())
    assert gone == {"  visible: [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]  # signed"}
    assert "  # signed\n  visible: [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8]]\n" in text
    assert camera_areas(write(tmp_path, text), ONE) == {**now, "visible": OTHER}


def test_nothing_changed_is_nothing_written(tmp_path: Path) -> None:
    path = write(tmp_path, KEPT)
    assert replace_camera(path, ONE, camera_areas(path, ONE)) == KEPT


def test_what_the_editor_does_not_know_of_a_zone_stays(tmp_path: Path) -> None:
    path = write(tmp_path, KEPT)
    zone = {**camera_areas(path, ONE)["zones"][0], "min_height": 0.1}
    again = camera_areas(write(tmp_path, replace_camera(path, ONE, {"zones": [zone]})), ONE)
    assert again == {"zones": [zone]}
    assert "# the village's road" in path.read_text("utf-8")


@pytest.mark.parametrize("camera", [ONE, TWO, THREE, ONE[:-1] + "9"])
@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"visible": SQUARE},
        {"ignore": [SQUARE, OTHER]},
        {"visible": OTHER, "clock": {"box": [0.0, 0.0, 0.4, 0.1], "format": "%H:%M:%S"}},
        {"visible": OTHER, "zones": [{"name": "a: #1 '", "kind": "livestock", "polygon": OTHER}]},
    ],
)
def test_the_others_stay_and_the_one_is_as_asked(
    tmp_path: Path, camera: str, wanted: dict[str, Any]
) -> None:
    path = write(tmp_path, KEPT)
    before = {other: camera_areas(path, other) for other in (ONE, TWO, THREE) if other != camera}
    text = replace_camera(path, camera, wanted)
    write(tmp_path, text)
    assert camera_areas(path, camera) == wanted
    assert {other: camera_areas(path, other) for other in before} == before
    for comment in ("# agreed at the", "# a camera in braces", "# the end", "# signed"):
        assert comment in text


def test_many_edits_in_a_row_are_what_the_last_ones_said(tmp_path: Path) -> None:
    path, dice = write(tmp_path, KEPT), random.Random(4)
    reported: dict[str, Any] = {
        camera: dict(camera_areas(path, camera)) for camera in (ONE, TWO, THREE)
    }
    for _ in range(120):
        camera = dice.choice((ONE, TWO, THREE))
        key = dice.choice(("visible", "ignore", "zones"))
        value: Any = dice.choice((SQUARE, OTHER)) if key == "visible" else []
        if key != "visible" and dice.random() < 0.7:
            value = [SQUARE] if key == "ignore" else [{"name": "z", "kind": "dumping"}]
        reported[camera] = {**reported[camera], key: value}
        write(tmp_path, replace_camera(path, camera, reported[camera]))
        for one, wanted in reported.items():
            assert camera_areas(path, one) == {key: wanted[key] for key in wanted if wanted[key]}


@pytest.mark.parametrize("start", [None, "", "# only words\n", "{}\n"])
def test_a_file_that_is_not_there_yet_begins(tmp_path: Path, start: str | None) -> None:
    path = tmp_path / "zones.yaml"
    if start is not None:
        path.write_text(start, "utf-8")
    text = replace_camera(path, ONE, {"visible": SQUARE})
    assert camera_areas(write(tmp_path, text), ONE) == {"visible": SQUARE}
    assert ("# only words" in text) == (start is not None and "words" in start)


@pytest.mark.parametrize(
    "text", [f'{{"{ONE}": {{}}, "{TWO}": {{}}}}\n', "- a list\n", "visible: [1, 2\n"]
)
def test_what_cannot_be_edited_is_said_and_left(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(NotEditable):
        replace_camera(path, ONE, {"visible": SQUARE})
    assert path.read_text("utf-8") == text

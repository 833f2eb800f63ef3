"""`patrol eval DIR`: somebody's own pictures, from labels to figures."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.evaluation import BadLabels, render, run
from patrol.evaluation.augment import Conditions, apply_conditions
from patrol.evaluation.insert_objects import choose_box, crate, heap, paste_object, vehicle

Picture = NDArray[np.uint8]
CAMERA = "62090204011327000001"


def lane() -> Picture:
    rng = np.random.default_rng(11)
    made = cv2.resize(rng.normal(125, 28, (54, 96)).astype(np.float32), (768, 432))
    picture = np.dstack([made * 0.9, made, made * 1.05])
    for x in range(10, 768, 85):
        cv2.rectangle(picture, (x, 30), (x + 45, 110), (70, 60, 55), -1)
        cv2.line(picture, (x, 130), (x + 30, 430), (190, 190, 190), 2)
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine accepted visits; then six with a thing, six without, one blurred."""
    directory = tmp_path_factory.mktemp("visits")
    lines = ["camera_id,visited_at,picture,picture2,light,faults,newcomers,accept"]
    for turn in range(22):
        rng = np.random.default_rng(turn)
        picture, box = lane(), ""
        if turn in range(9, 15):
            where = choose_box((768, 432), rng, share=(0.03, 0.06))
            picture = paste_object(picture, where, (heap, crate, vehicle)[turn % 3], rng)
            box = ",".join(map(str, where))
        names = []
        for k in range(2):
            how = Conditions(exposure=0.75 + 0.025 * turn, shift_px=(turn % 5 - 2, 1), noise=2)
            shot = apply_conditions(picture, how, np.random.default_rng(100 * turn + k))
            if turn == 21:
                shot = np.asarray(cv2.GaussianBlur(shot, (0, 0), 7), np.uint8)
            names.append(f"{turn}-{k}.jpg")
            cv2.imwrite(str(directory / names[-1]), shot)
        fault, accept = ("blur" if turn == 21 else "ok"), ("yes" if turn < 9 else "")
        day = 1 + turn // 2
        lines.append(
            f"{CAMERA},2026-06-{day:02d}T{9 + 6 * (turn % 2):02d}:30:00+08:00,"
            f'{names[0]},{names[1]},day,{fault},"{box}",{accept}'
        )
    (directory / "visits.csv").write_text("\n".join(lines), encoding="utf-8")
    return directory


def test_figures_of_a_folder(folder: Path, tmp_path: Path) -> None:
    reported: list[str] = []
    page = tmp_path / "page.html"
    found = run(str(folder), out=page, report=reported.append, models=tmp_path)
    json.dumps(found)
    assert (found["visits"], found["cameras"]) == (22, 1)
    counts = found["kinds"]["newcomer"]
    assert counts["tp"] + counts["fn"] == 6
    assert counts["tp"] >= 5
    assert counts["fp"] == 0
    assert found["summary"]["false_regions_per_100_clean_visits"]["of"] == 16
    assert found["kinds"]["blur"]["tp"] == 1
    assert found["confusion"]["blur"] == {"blur": 1}
    assert counts["recall_interval"][0] < counts["recall"] <= counts["recall_interval"][1]
    assert any("objects are not judged" in line for line in reported)
    html = page.read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>")
    assert "newcomer" in html
    assert "http" not in html.replace("http-equiv", "")  # nothing from outside
    render(found)


@pytest.mark.parametrize("what", ["nowhere", "visits.csv"])
def test_what_is_no_folder_says_what_would_be(tmp_path: Path, what: str) -> None:
    with pytest.raises(BadLabels, match="give a folder or one of all, faults"):
        run(str(tmp_path / what), models=tmp_path)

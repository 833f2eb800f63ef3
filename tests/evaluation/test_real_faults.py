"""Faults on real frames: what is put on is a fault, the halves share no scene, absence is told."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from patrol.evaluation import command
from patrol.evaluation.camera_optics import defocus, through_camera, to_light, to_picture
from patrol.evaluation.command import NoFootage
from patrol.evaluation.lens_faults import LENS_FAULTS, SEVERITIES
from patrol.evaluation.own_median import OwnMedian
from patrol.evaluation.real_faults import NINE, Case, placeholder_cases, real_cases
from patrol.evaluation.real_results import judge_cases, run_real
from patrol.evaluation.real_scenes import DEVELOPING, JUDGING, RealScene, half_of, real_scenes

Picture = NDArray[np.uint8]
SIZE = (400, 300)


def street(seed: int = 3) -> Picture:
    """A view with fine and coarse structure, in colours."""
    rng = np.random.default_rng(seed)
    width, height = SIZE
    coarse = cv2.resize(rng.uniform(40, 190, (9, 12, 3)).astype(np.float32), SIZE)
    fine = cv2.resize(rng.normal(0, 22, (height // 2, width // 2, 3)).astype(np.float32), SIZE)
    return np.asarray(np.clip(coarse + fine, 0, 255), np.uint8)


@pytest.fixture(scope="module")
def cases() -> Sequence[Sequence[Case]]:
    return list(real_cases([RealScene(name="street", frames=[[street()]])]))


@pytest.mark.parametrize("kind", LENS_FAULTS)
def test_a_fault_spoils_more_with_its_severity(kind: str) -> None:
    light = to_light(street())
    plain = to_picture(light).astype(np.float32)
    spoiled = [
        to_picture(LENS_FAULTS[kind][1](light, how, np.random.default_rng(5)))
        for how in range(len(SEVERITIES))
    ]
    away = [float(np.abs(one.astype(np.float32) - plain).mean()) for one in spoiled]
    assert away[0] > 0.5
    assert away == sorted(away)


def test_defocus_keeps_the_light_and_takes_the_detail() -> None:
    light = to_light(street())
    soft = defocus(light, 0.01)
    assert float(soft.mean()) == pytest.approx(float(light.mean()), rel=0.02)
    assert float(soft.std()) < 0.95 * float(light.std())


def test_a_recorder_codes_a_second_time() -> None:
    light = to_light(street())
    once, twice = (
        through_camera(light, np.random.default_rng(1), recorded=quality) for quality in (0, 60)
    )
    assert (once != twice).any()


def test_every_case_is_labelled_and_the_same_every_time(cases: Sequence[Sequence[Case]]) -> None:
    known, stuck = cases[0], cases[1]
    assert sum(visit.accept for _, visit in known) == 9
    assert {case.kind for case, _ in known} >= {"sound", "reaimed", "freeze_recorded", *LENS_FAULTS}
    assert [case.expected for case, _ in stuck if case.history == NINE] == [
        frozenset({"infrared_stuck"})
    ] * 2
    _, visit = known[-1]
    assert all((a == b).all() for a, b in zip(visit.pictures(), visit.pictures(), strict=True))
    assert [visit.at for _, visit in known] == sorted(visit.at for _, visit in known)


def test_what_is_judged_is_counted_beside_the_simple_alternative(
    cases: Sequence[Sequence[Case]],
) -> None:
    black = [case for case in cases[0] if case[0].kind == "black_screen" or not case[0].history]
    rows = judge_cases([black])
    assert {(key[0], row.of, row.named) for key, row in rows.items()} == {("black_screen", 1, 1)}
    assert sum(row.own_median for row in rows.values()) == 0  # it reads too_dark there


def test_the_simple_alternative_reads_its_own_medians() -> None:
    simple = OwnMedian()
    sound = [street()]
    for _ in range(4):
        assert "occlusion" not in simple.judge(sound, accept=True)
    covered = street()
    covered[:, :200] = 90
    assert "occlusion" in simple.judge([covered], accept=False)
    assert "freeze" in simple.judge([covered, covered.copy()], accept=False)


def test_a_placeholder_comes_twice_with_the_same_bytes() -> None:
    for (_, first), (_, second) in placeholder_cases():
        assert first.at < second.at
        assert (first.pictures()[0] == second.pictures()[0]).all()


def test_halves_share_no_scene_and_a_missing_folder_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["camera_id,visited_at,picture,faults"]
    for number in range(6):
        cv2.imwrite(str(tmp_path / f"{number}.png"), street(number))
        lines.append(f"view-{number},2026-05-01T12:00:00+08:00,{number}.png,ok")
    (tmp_path / "visits.csv").write_text("\n".join(lines), encoding="utf-8")
    names = {
        half: {one.name for one in real_scenes(half, tmp_path)} for half in (DEVELOPING, JUDGING)
    }
    assert not names[DEVELOPING] & names[JUDGING]
    assert len(names[DEVELOPING] | names[JUDGING]) == 6
    assert all(half_of(name) == half for half, of in names.items() for name in of)
    assert run_real(JUDGING, policy=None, report=print, folder=tmp_path / "none")["visits"] == 0
    monkeypatch.setattr(
        command, "run_real", lambda half, **how: run_real(half, folder=tmp_path / "none", **how)
    )
    with pytest.raises(NoFootage, match="put the real frames there"):
        command.run("real")

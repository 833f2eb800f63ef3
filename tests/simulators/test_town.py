"""The town has the domain's numbers, and the same seed gives the same town."""

from collections import Counter
from datetime import date

import pytest

from patrol.domain.camera import ConsentState, Placement, Priority
from patrol.domain.ids import camera_id_problem, grid_code_problem, plain_id_problem
from patrol.domain.registry import GridLevel, Role
from simulators.faults import HIDES_SCENE, CameraFault
from simulators.scenes.catalogue import by_name, catalogue, clean_name
from simulators.town.build import PER_RECORDER, build_town
from simulators.town.model import Town

TODAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def town() -> Town:
    return build_town(count=624, seed=7, today=TODAY)


def test_the_tree_is_one_town_nine_villages_and_58_groups(town: Town) -> None:
    levels = Counter(grid.level for grid in town.grids)
    assert levels == {GridLevel.TOWN: 1, GridLevel.VILLAGE: 9, GridLevel.GROUP: 58}
    codes = {grid.code for grid in town.grids}
    assert len(codes) == 68
    assert all(grid.parent in codes for grid in town.grids if grid.level is not GridLevel.TOWN)
    assert "620902104203001" in codes
    assert not any(grid_code_problem(code) for code in codes)


def test_every_grid_has_somebody_and_every_leader_a_substitute(town: Town) -> None:
    leaders = {p.id: p.grid for p in town.people if p.role is Role.GRID_LEADER}
    groups = {grid.code for grid in town.grids if grid.level is GridLevel.GROUP}
    assert set(leaders.values()) == groups
    substitutes = {p.substitute_for: p.grid for p in town.people if p.substitute_for}
    assert all(substitutes[leader] == grid for leader, grid in leaders.items())
    cadres = {p.grid for p in town.people if p.role is Role.VILLAGE_CADRE}
    assert cadres == {grid.code for grid in town.grids if grid.level is GridLevel.VILLAGE}
    roles = {p.role for p in town.people}
    assert {Role.TOWN_DUTY, Role.MAINTAINER, Role.PARTY_GROUP_LEADER} <= roles


def test_people_are_told_apart(town: Town) -> None:
    for values in (
        [p.id for p in town.people],
        [p.name for p in town.people],
        [p.mqtt_user for p in town.people],
        [p.phone for p in town.people],
    ):
        assert len(set(values)) == len(values)
    assert not any(plain_id_problem(p.id) for p in town.people)


def test_cameras_are_spread_over_all_groups_most_in_the_centre(town: Town) -> None:
    per_group = Counter(camera.grid for camera in town.cameras)
    assert len(per_group) == 58
    assert min(per_group.values()) >= 9
    assert max(per_group.values()) <= 15
    fullest = per_group.most_common(8)
    assert all(code.startswith("620902104203") for code, _ in fullest)


def test_camera_ids_are_device_codes_and_links_hold_one_recorder_each(town: Town) -> None:
    ids = [camera.id for camera in town.cameras]
    assert len(set(ids)) == 624
    assert not any(camera_id_problem(ident) for ident in ids)
    links = Counter(camera.link for camera in town.cameras)
    assert max(links.values()) <= PER_RECORDER
    assert not any(plain_id_problem(link) for link in links)
    for camera in town.cameras:
        assert camera.link.startswith(f"v{camera.grid[9:12]}-")


def test_placement_and_consent_are_mixed_as_the_domain_says(town: Town) -> None:
    def percent(wanted: object) -> float:
        hits = [c for c in town.cameras if wanted in {c.placement, c.consent}]
        return 100 * len(hits) / len(town.cameras)

    assert percent(Placement.OUTDOOR) == pytest.approx(75, abs=5)
    assert percent(Placement.INDOOR) == pytest.approx(20, abs=5)
    assert percent(ConsentState.PENDING) == pytest.approx(7, abs=3)
    assert percent(ConsentState.WITHDRAWN) == pytest.approx(3, abs=2)
    expired = [c for c in town.cameras if c.consent_until and c.consent_until < TODAY]
    assert 100 * len(expired) / 624 == pytest.approx(2, abs=1.5)
    assert all(
        c.consent_until is None or (c.consent_until - TODAY).days <= 366 for c in town.cameras
    )
    assert 30 <= sum(c.priority is Priority.KEY for c in town.cameras) <= 75


def test_formats_are_mixed_as_the_domain_says(town: Town) -> None:
    scenes = by_name(catalogue("town"))
    mains = [scenes[camera.clean].main for camera in town.cameras]
    assert 100 * sum(m.width == 1920 for m in mains) / 624 == pytest.approx(60, abs=8)
    assert 100 * sum(m.width == 2560 for m in mains) / 624 == pytest.approx(35, abs=8)
    assert 100 * sum(m.codec == "hevc" for m in mains) / 624 == pytest.approx(70, abs=8)
    assert all(2 <= m.gop_s <= 4 and 1000 <= m.kbit_s <= 2000 for m in mains)


def test_true_findings_are_few_and_can_be_seen(town: Town) -> None:
    scenes = by_name(catalogue("town"))
    problems = []
    for camera in town.cameras:
        variant = scenes[clean_name(camera.scene)].variant(camera.scene)
        if variant is not None and variant.problem:
            problems.append(camera)
            assert camera.patrolled(TODAY)
            assert camera.fault not in HIDES_SCENE
            assert camera.clean == clean_name(camera.scene)
    patrolled = sum(camera.patrolled(TODAY) for camera in town.cameras)
    assert 0.005 * patrolled <= len(problems) <= 0.015 * patrolled


@pytest.mark.parametrize("count", [1, 7, 60, 1000])
def test_any_number_of_cameras_can_be_had(count: int) -> None:
    town = build_town(count=count, seed=1, today=TODAY)
    assert len(town.cameras) == count


def test_one_seed_one_town() -> None:
    same = [build_town(count=80, seed=5, today=TODAY) for _ in range(2)]
    assert same[0] == same[1]
    assert same[0].cameras != build_town(count=80, seed=6, today=TODAY).cameras


def test_the_bench_town_is_all_allowed_all_sound_all_1080p_h264() -> None:
    town = build_town(count=60, seed=7, today=TODAY, faults="none", profile="bench")
    scenes = by_name(catalogue("bench"))
    assert all(camera.patrolled(TODAY) for camera in town.cameras)
    assert {camera.fault for camera in town.cameras} == {CameraFault.NONE}
    assert {camera.scene for camera in town.cameras} <= set(scenes)
    for scene in scenes.values():
        main = scene.main
        assert (main.codec, main.width, main.height, main.gop_s) == ("h264", 1920, 1080, 4)
        assert (main.kbit_s, main.frames_per_s) == (1500, 15)

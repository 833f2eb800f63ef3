"""The document of `patrol bench round`: the floor, the ratio and the shares of one round."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from patrol.bench.round import REST, RoundCost, look_everywhere, measure_sub_stream
from patrol.stage_cost import Stage, StageCosts

COST = RoundCost(
    cameras=10,
    seen=8,
    pictures=16,
    wall_s=4.0,
    cpu_s=0.4,
    peak_rss_mb=200.0,
    floor_ms_per_picture=8.0,
    stages_ms={"decode": 100.0, "objects": 60.0},
    bytes_received=8_000_000,
    key_frame_bytes=640_000,
)


def test_the_ratio_is_that_of_a_cameras_cpu_to_the_bare_decodes_of_its_pictures() -> None:
    row = COST.row()
    assert row["cpu_ms_per_camera"] == 40.0
    assert row["floor_ms_per_camera"] == 16.0
    assert row["times_floor"] == 2.5
    assert (row["bytes_per_visit"], row["key_frame_bytes_per_visit"]) == (1_000_000, 80_000)
    assert row["stages"] == {"decode": 0.25, "objects": 0.15, REST: 0.6}
    assert "without" not in row
    json.dumps(row)


def test_objects_are_looked_for_on_every_camera(tmp_path: Path) -> None:
    with (tmp_path / "cameras.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, ["camera_id"])
        writer.writeheader()
        writer.writerows({"camera_id": str(number) * 20} for number in (1, 2, 3))
    zone = {"name": "渠边", "polygon": [[0, 0], [1, 0], [1, 1]], "classes": ["person"]}
    change = {"name": "门前", "polygon": [[0, 0], [1, 0], [1, 1]], "classes": []}
    areas = {"1" * 20: {"zones": [zone]}, "2" * 20: {"zones": [change]}}
    (tmp_path / "zones.yaml").write_text(json.dumps(areas, ensure_ascii=False), "utf-8")
    look_everywhere(tmp_path)
    after = yaml.safe_load((tmp_path / "zones.yaml").read_text("utf-8"))
    assert after["1" * 20]["zones"] == [zone]
    assert after["2" * 20]["zones"][0] == change
    assert all(any(z["classes"] for z in area["zones"]) for area in after.values())
    assert len(after) == 3


def test_the_round_by_sub_streams_leaves_the_configuration_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("sampling: {pictures: 2, spacing_s: 3.0, stream: main}\n", "utf-8")
    seen: list[object] = []

    def measure(config_dir: Path, _urls: object) -> RoundCost:
        seen.append(yaml.safe_load((config_dir / "site.yaml").read_text("utf-8"))["sampling"])
        return COST

    monkeypatch.setattr("patrol.bench.round.measure_round", measure)
    assert measure_sub_stream(tmp_path, ())["times_floor"] == 2.5
    assert seen == [{"pictures": 2, "spacing_s": 3.0, "stream": "sub", "evidence": "main"}]
    assert "evidence" not in site.read_text("utf-8")


def test_stages_count_the_cpu_time_of_their_own_thread() -> None:
    costs = StageCosts()
    with costs.measure(Stage.CHANGE):
        sum(number * number for number in range(200_000))
    spent_s = costs.spent_s()
    assert spent_s[Stage.CHANGE] > 0.001
    assert {stage for stage, seconds in spent_s.items() if seconds} == {Stage.CHANGE}

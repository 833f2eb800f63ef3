"""`patrol replay`: a stored round judged again by other models or thresholds; a table."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from patrol.domain.camera import area_hash
from patrol.domain.ids import RoundId, Sha256
from patrol.domain.observation import Observation, Subject
from patrol.domain.round import (
    AREA_HASH_FACT,
    PlannedVisit,
    Round,
    RoundEvent,
    StoredPicture,
    Visit,
    VisitOutcome,
)
from patrol.pictures import FilePictureStore
from patrol.store import open_store
from tests.cli.conftest import CAMERA, CAMERA_2, NOON

ROUND = RoundId("20261122-morning-1")
AREA = f'"{CAMERA}":\n  visible: [[0, 0], [1, 0], [1, 0.5], [0, 0.5]]\n'
# Every picture is "blurred" by a limit that no lens reaches, and none by one that all pass.
ALL_BLURRED = "blur_absolute=9"


def picture(seed: int) -> bytes:
    """A drawn yard: sharp edges in every cell, calm light."""
    rng = np.random.default_rng(seed)
    canvas = np.full((360, 640, 3), 120, np.uint8)
    for _ in range(260):
        x, y = int(rng.integers(0, 620)), int(rng.integers(0, 350))
        colour = tuple(int(c) for c in rng.integers(40, 220, 3))
        cv2.rectangle(canvas, (x, y), (x + int(rng.integers(6, 40)), y + 14), colour, -1)
    return cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()


def stored_pictures(evidence: FilePictureStore) -> tuple[StoredPicture, ...]:
    stored = []
    for number in range(2):
        jpeg, at = picture(number), NOON + timedelta(seconds=3 * number)
        stored.append(
            StoredPicture(
                sha256=evidence.put(jpeg), camera=CAMERA, taken_at=at, width_px=640, height_px=360,
                bytes=len(jpeg), purpose="sample", delete_after=at + timedelta(days=3650),
            )
        )  # fmt: skip
    return tuple(stored)


@pytest.fixture
def replayed(cli_site: Any) -> Any:
    """A site with a finished round: one camera with two pictures, in which noise was recorded."""
    stored = stored_pictures(FilePictureStore(cli_site.home / "evidence"))
    planned = Round(
        id=ROUND, plan="morning", day=date(2026, 11, 22), planned_at=NOON,
        finish_by=NOON + timedelta(hours=1), planned=2, refused={},
    )  # fmt: skip
    started = planned.apply_event(RoundEvent.START, at=NOON)
    seen = Visit(
        round=ROUND, camera=CAMERA, outcome=VisitOutcome.PROBLEM, started_at=NOON,
        finished_at=NOON, usable_pictures=2, faults=("noise",), freshness="live", light="day",
        pictures=stored, facts={AREA_HASH_FACT: area_hash(None), "key_frame_interval_s": 2.0},
    )  # fmt: skip
    unseen = replace(seen, camera=CAMERA_2, usable_pictures=0, faults=(), pictures=())
    noise = Observation(
        camera=CAMERA, round=ROUND, at=NOON, subject=Subject.EQUIPMENT, kind="noise",
        score=0.9, value=9.0, threshold=6.0, gauge="noise/1", picture=stored[0].id,
    )  # fmt: skip
    with open_store(cli_site.database) as store, store.begin() as uow:
        cameras = enumerate((CAMERA, CAMERA_2))
        uow.rounds.add(planned, [PlannedVisit(round=ROUND, camera=c, order=n) for n, c in cameras])
        uow.rounds.put(started)
        for visit in (seen, unseen):
            assert uow.rounds.record_visit(visit)
        uow.findings.add_observations([noise])
        uow.rounds.put(started.apply_event(RoundEvent.FINISH, at=NOON + timedelta(minutes=1)))
        uow.commit()
    return cli_site


def lines_of_replay(site: Any) -> list[tuple[str, str, str]]:
    with open_store(site.database) as store, store.begin_read() as uow:
        return [
            (one.who, str(one.camera), one.why)
            for one in uow.access.entries(camera=None, what="replay")
        ]


def test_recorded_beside_the_present(replayed: Any) -> None:
    ended = replayed("replay", ROUND, "--by", "li", "--json")
    assert ended.code == 0, ended.err
    document = ended.document
    assert document["compared"] == ["recorded", "present"]
    assert (document["visits"], document["judged"]) == (2, 1)
    assert document["skipped"] == {"indoor": 1}
    (gone,) = [one for one in document["changes"] if one["kind"] == "noise"]
    assert (gone["change"], gone["present"], gone["other"]) == ("goes", None, None)
    assert gone["recorded"]["gauge"] == "noise/1"
    assert lines_of_replay(replayed) == [("li", CAMERA, f"round {ROUND}")]


def test_other_thresholds_by_name_and_by_file(replayed: Any, tmp_path: Path) -> None:
    by_name = replayed("replay", ROUND, "--set", ALL_BLURRED, "--json").document
    assert by_name["compared"] == ["present", "other"]
    assert by_name["other"]["thresholds"] == {"blur_absolute": {"present": 0.42, "other": 9.0}}
    (blur,) = [one for one in by_name["changes"] if one["kind"] == "blur"]
    assert (blur["change"], blur["recorded"], blur["present"]) == ("appears", None, None)
    assert blur["other"]["finding"] is True
    assert blur["other"]["gauge"].partition("/")[0] in ("blur", "focus")
    assert by_name["kinds"]["blur"] == {"recorded": 0, "present": 0, "other": 1}
    file = tmp_path / "limits.yaml"
    file.write_text("quality: {blur_absolute: 9}\n")
    assert replayed("replay", ROUND, "--thresholds", str(file), "--json").document == by_name
    table = replayed("replay", ROUND, "--set", ALL_BLURRED).out
    assert "blur_absolute: 0.42 → 9.0" in table
    assert "新增" in table


def test_nothing_is_written_but_the_log(replayed: Any) -> None:
    replayed("replay", ROUND, "--set", ALL_BLURRED)
    assert replayed("queue", "--json").document == []
    with open_store(replayed.database) as store, store.begin_read() as uow:
        assert uow.memories.count() == 0
        assert dict(uow.access.last_viewed(NOON + timedelta(days=3650))) == {}, "nobody looked"


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("withdrawn", "consent_withdrawn"), ("file", "picture_deleted"),
        ("area", "area_changed"), ("unregistered", "not_registered"),
    ],
)  # fmt: skip
def test_what_may_not_or_cannot_be_looked_at_is_left_out(replayed: Any, how: str, why: str) -> None:
    if how == "withdrawn":
        assert replayed("consent", "withdraw", CAMERA, "--by", "li").code == 0
    elif how == "file":
        for path in (replayed.home / "evidence").glob("??/??/*.jpg"):
            path.unlink()
    elif how == "area":
        replayed.write("zones.yaml", AREA)
    else:
        text = (replayed.home / "config/cameras.csv").read_text()
        kept = [line for line in text.splitlines() if CAMERA not in line]
        replayed.write("cameras.csv", "\n".join(kept) + "\n")
    ended = replayed("replay", ROUND, "--json")
    assert ended.code == 0, ended.err
    assert ended.document["skipped"].get(why) == 1, ended.document["skipped"]
    assert ended.document["judged"] == 0
    assert bool(lines_of_replay(replayed)) is (how == "file"), "what is not read has no line"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("nowhere-1",), "nowhere-1"),
        ((ROUND, "--set", "blurr_ratio=0.7"), "did you mean"),
        ((ROUND, "--set", "blur_ratio"), "blur_ratio"),
        ((ROUND, "--set", "blur_ratio=much"), "much"),
        ((ROUND, "--models", "/nowhere"), "--models"),
        ((ROUND, "--thresholds", "/nowhere.yaml"), "/nowhere.yaml"),
    ],
)
def test_what_is_wrong_is_named(replayed: Any, words: tuple[str, ...], named: str) -> None:
    ended = replayed("replay", *words)
    assert ended.code == 2
    assert named in ended.err
    assert lines_of_replay(replayed) == []


def test_what_saw_a_finding_is_shown_with_its_version(cli_site: Any) -> None:
    cli_site.seed_round()
    gauge = "yolox_nano/615e2661"
    (line,) = cli_site("queue", "--json").document
    assert line["gauge"] == gauge
    assert gauge in cli_site("queue").out.replace("\n", "")
    assert cli_site("finding", "history", "F000001", "--json").document["gauge"] == gauge
    assert gauge in cli_site("finding", "history", "F000001").out
    case = cli_site("confirm", "F000001", "--by", "li", "--json").document["id"]
    assert cli_site("case", case, "--json").document["gauge"] == gauge
    assert gauge in cli_site("case", case).out
    assert gauge in cli_site("finding", "list").out
    for form in ("csv", "html", "json"):
        out = cli_site.home / f"day.{form}"
        done = (
            cli_site(
                "report",
                "--day",
                "2026-11-22",
                "--format",
                form,
                "--part",
                "ledger",
                "--out",
                str(out),
            )
            if form == "csv"
            else cli_site("report", "--day", "2026-11-22", "--format", form, "--out", str(out))
        )
        assert done.code == 0, done.err
        assert gauge in out.read_text("utf-8-sig")


def test_a_model_that_cannot_be_opened_ends_it(replayed: Any, tmp_path: Path) -> None:
    (tmp_path / "own.onnx").write_bytes(b"no model")
    (tmp_path / "models.yaml").write_text(
        "models:\n  own:\n    purpose: objects\n    path: own.onnx\n    layout: yolox\n"
        f"    sha256: {Sha256('a' * 64)}\n    licence: MIT\n    labels: [person]\n"
        "    input: {width_px: 416, height_px: 416}\n"
    )
    ended = replayed("replay", ROUND, "--models", str(tmp_path), "--json")
    assert ended.code in (1, 2)
    assert "own" in ended.err
    assert not ended.out.strip(), "no table that was made without it"
    without = replayed("replay", ROUND, "--models", "none", "--json")
    assert without.document["other"]["models"] == []

"""visits.csv: read whole, every problem reported with its line."""

from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from patrol.domain.observation import Light
from patrol.evaluation.labels import BadLabels, read_folder


def folder(tmp_path: Path, *lines: str, pictures: tuple[str, ...] = ("a.jpg", "b.png")) -> Path:
    for name in pictures:
        cv2.imwrite(str(tmp_path / name), np.full((24, 32, 3), 90, np.uint8))
    (tmp_path / "visits.csv").write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return tmp_path


FULL = "camera_id,visited_at,picture,picture2,light,faults,newcomers,flames,objects,accept"


def test_every_column_is_understood(tmp_path: Path) -> None:
    labels = 'blur;noise,"1,2,3,4;5,6,7,8",,"person:1,1,2,2",yes'
    row = f"c1,2026-06-01T09:30:00,a.jpg,b.png,infrared,{labels}"
    (visit,) = read_folder(folder(tmp_path, FULL, row))
    assert visit.at == datetime(2026, 6, 1, 1, 30, tzinfo=UTC)  # Shanghai's wall clock
    assert visit.light is Light.INFRARED
    assert visit.faults == frozenset({"blur", "noise"})
    assert visit.new_objects == ((1, 2, 3, 4), (5, 6, 7, 8))
    assert visit.flames == ()
    assert visit.objects == (("person", (1, 1, 2, 2)),)
    assert visit.accept
    assert [picture.shape for picture in visit.pictures()] == [(24, 32, 3)] * 2


def test_what_is_not_labelled_is_not_scored(tmp_path: Path) -> None:
    (visit,) = read_folder(folder(tmp_path, "camera_id,visited_at,picture", "c,2026-06-01,a.jpg"))
    assert (visit.faults, visit.new_objects, visit.flames, visit.objects) == (None,) * 4


def test_visits_come_in_time_order_within_a_camera(tmp_path: Path) -> None:
    rows = (
        "b,2026-06-02T00:00:00Z,a.jpg",
        "a,2026-06-03T00:00:00Z,a.jpg",
        "b,2026-06-01T00:00:00Z,a.jpg",
    )
    visits = read_folder(folder(tmp_path, "camera_id,visited_at,picture", *rows))
    assert [(v.camera, v.at.day) for v in visits] == [("a", 3), ("b", 1), ("b", 2)]


@pytest.mark.parametrize(
    ("cells", "where", "what"),
    [
        ("c,yesterday,a.jpg,,,,,,,", 2, "visited_at: 'yesterday' is no time"),
        ("c,2026-06-01,gone.jpg,,,,,,,", 2, "picture: 'gone.jpg' is no picture"),
        ("c,2026-06-01,,,,,,,,", 2, "picture: is empty"),
        ("c,2026-06-01,a.jpg,,dusk,,,,,", 2, "light: 'dusk' is no light"),
        ("c,2026-06-01,a.jpg,,,tired,,,,", 2, "faults: 'tired' is no picture fault"),
        ('c,2026-06-01,a.jpg,,,,"1,2,3",,,', 2, "newcomers: '1,2,3' is no box"),
        ('c,2026-06-01,a.jpg,,,,"1,2,0,4",,,', 2, "newcomers: '1,2,0,4' is no box"),
        ('c,2026-06-01,a.jpg,,,,,"a,b,c,d",,', 2, "flames: 'a,b,c,d' is no box"),
        ('c,2026-06-01,a.jpg,,,,,,"1,2,3,4",', 2, "objects: '1,2,3,4' is no object"),
        ("c,2026-06-01,a.jpg,,,,,,,maybe", 2, "accept: 'maybe' is neither yes nor no"),
        ("c,2026-06-01,a.jpg", 2, "row: has another number of cells"),
    ],
)
def test_a_wrong_cell_is_told_with_its_line(
    tmp_path: Path, cells: str, where: int, what: str
) -> None:
    with pytest.raises(BadLabels) as raised:
        read_folder(folder(tmp_path, FULL, cells))
    assert f"visits.csv:{where}: {what}" in raised.value.problems[0]


def test_all_problems_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadLabels) as raised:
        read_folder(folder(tmp_path, FULL, "c,never,a.jpg,,noon,,,,,", "c,2026-06-01,x.jpg,,,,,,,"))
    assert len(raised.value.problems) == 3


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("camera_id,visited_at", "picture: column is missing"),
        ("camera_id,visited_at,picture,mood", "mood: unknown column"),
    ],
)
def test_the_header_is_checked(tmp_path: Path, header: str, what: str) -> None:
    cells = ",".join(["c", "2026-06-01", "a.jpg", "x"][: header.count(",") + 1])
    with pytest.raises(BadLabels, match=what):
        read_folder(folder(tmp_path, header, cells))


def test_an_empty_or_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadLabels, match="cannot be read"):
        read_folder(tmp_path)
    (tmp_path / "visits.csv").write_text("")
    with pytest.raises(BadLabels, match="no visit in it"):
        read_folder(tmp_path)

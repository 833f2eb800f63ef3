"""vtest.avi over GStreamer's RTSP server: people in a zone → a finding → a leader's phone → closed.

No server, broker or clip here is ours. While people walk through the zone the recheck sends
the case back for rework; when the clip shows an empty place, it closes.
"""

import csv
import gzip
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulators.mosquitto import Mosquitto
from tests.e2e.site import Gstreamer, PatrolSite, Phone, need, wait_for

pytestmark = pytest.mark.slow

MODELS = Path("var/models")
CAMERA = "62090210401327000001"
GROUP = "620902104203001"


def clip(name: str, into: Path) -> Path | None:
    """Debian's opencv-doc has it, perhaps compressed."""
    for found in Path("/usr/share/doc/opencv-doc").rglob(f"{name}*"):
        if found.suffix == ".gz":
            target = into / name
            with gzip.open(found) as packed, target.open("wb") as plain:
                shutil.copyfileobj(packed, plain)
            return target
        return found
    return None


def write_site(patrol_site: PatrolSite, broker: Mosquitto, url: str) -> None:
    """One camera, one grid leader, one zone over the whole picture."""
    folder = patrol_site.folder
    folder.mkdir()
    site = {
        "site": {
            "id": "shangba",
            "name": "上坝镇",
            "code": "620902104",
            "timezone": "Asia/Shanghai",
            "latitude": 39.6,
            "longitude": 98.75,
        },
        "database": f"sqlite:///{folder}/patrol.db",
        "evidence": str(folder / "evidence"),
        "models": str(MODELS.resolve()),
        "mqtt": {"url": broker.url},
        "console": {"port": 0},
        "sampling": {"pictures": 2, "spacing_s": 1.0},
    }
    (folder / "site.yaml").write_text(yaml.safe_dump(site, allow_unicode=True), "utf-8")
    write_csv(
        folder / "grids.csv",
        ("grid_code", "name", "level", "parent"),
        ("620902104000000", "上坝镇", "town", ""),
        ("620902104203000", "上坝村", "village", "620902104000000"),
        (GROUP, "一组", "group", "620902104203000"),
    )
    write_csv(
        folder / "people.csv",
        ("person_id", "name", "role", "grid_code", "mqtt_user", "phone", "substitute_for"),
        ("p1", "甲", "grid_leader", GROUP, "leader1", "", ""),
        ("p2", "乙", "party_group_leader", GROUP, "leader2", "", "p1"),
        ("p3", "丙", "village_cadre", "620902104203000", "cadre1", "", ""),
        ("p4", "丁", "town_duty", "620902104000000", "duty1", "", ""),
        ("p5", "戊", "maintainer", "620902104000000", "maint1", "", ""),
    )
    columns = (
        "camera_id", "name", "grid_code", "place", "url", "sub_url", "link", "household_ref",
        "outdoor", "consent", "consent_until", "priority", "tags", "lon", "lat",
    )  # fmt: skip
    row = (
        CAMERA, "渠口", GROUP, "上坝村一组渠口", url, "", "v203", "H-0001", "yes", "granted",
        "2027-10-01", "key", "canal", "98.75", "39.6",
    )  # fmt: skip
    write_csv(folder / "cameras.csv", columns, row)
    zone = {
        "name": "渠边",
        "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]],
        "classes": ["person"],
        "kind": "person_near_water",
    }
    zones = {CAMERA: {"zones": [zone]}}
    (folder / "zones.yaml").write_text(yaml.safe_dump(zones, allow_unicode=True), "utf-8")


def write_csv(path: Path, *rows: tuple[str, ...]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows(rows)


def test_people_in_a_zone_to_a_closed_case(
    patrol_site: PatrolSite,
    broker: Mosquitto,
    phone: Phone,
    gstreamer: Gstreamer,
    tmp_path: Path,
) -> None:
    people, empty = clip("vtest.avi", tmp_path), clip("tree.avi", tmp_path)
    need("opencv-doc (vtest.avi, tree.avi)", people and empty)
    assert people is not None
    assert empty is not None
    need("the weight file (patrol models install)", (MODELS / "yolox_nano.onnx").exists())
    port = gstreamer.show(people)
    write_site(patrol_site, broker, f"rtsp://127.0.0.1:{port}/clip")
    assert patrol_site.patrol("check").returncode == 0

    summary = patrol_site.json("round", "morning")
    assert summary["seen"] == 1
    scenes = [one for one in patrol_site.json("queue") if one["category"] != "equipment"]
    (finding,) = scenes
    assert (finding["camera"], finding["kind"]) == (CAMERA, "person_near_water")

    patrol_site.start("run")
    # From its first subscription on the broker keeps every answer; before it, there is no session.
    log = patrol_site.folder / "run.log"
    wait_for("the service is ready", lambda: "Ctrl-C" in log.read_text("utf-8"))
    patrol_site.patrol("confirm", finding["id"], "--by", "值班员")
    topic, message = phone.wait("dispatched")
    assert topic == f"patrol/v1/shangba/grid/{GROUP}/case/{message['case']}"
    assert message["category"]["id"] == "person_near_water"
    assert message["camera_last6"] == CAMERA[-6:]
    assert "H-0001" not in str(message)
    assert "rtsp" not in str(message)

    phone.reply(topic, "k1", "acknowledge", person="p1")
    phone.wait("acknowledged")
    phone.reply(topic, "k2", "arrive", person="p1")
    phone.wait("arrived")
    phone.reply(topic, "k3", "feedback", result="handled", text="已劝离", person="p1")
    phone.wait("rework")  # they are still there, as the camera shows

    gstreamer.show(empty, port)
    phone.reply(topic, "k4", "feedback", result="handled", text="已劝离", person="p1")
    phone.wait(None)  # cleared: closed
    case = wait_for("closed", lambda: closed(patrol_site.json("case", message["case"])))
    events = [event["what"] for event in case["events"]]
    for step in ("dispatch", "acknowledge", "arrive", "feed_back", "not_verified", "verify"):
        assert step in events
    assert events[-1] == "close"
    assert patrol_site.patrol("db", "check").returncode == 0


def closed(case: dict[str, Any]) -> dict[str, Any] | None:
    return case if case["state"] == "closed" else None

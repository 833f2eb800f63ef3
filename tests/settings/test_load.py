"""What a good directory becomes, and how it fares with 10,000 cameras."""

import dataclasses
import re
import shutil
import subprocess
import sys
import time
from datetime import date, timedelta
from datetime import time as local_time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from patrol.domain.camera import ConsentState, DailyHours, Placement, Priority, Refusal
from patrol.domain.ids import CameraId, GridCode, PersonId
from patrol.domain.priority import Level
from patrol.domain.registry import Role
from patrol.domain.verification import Verifier
from patrol.mqtt import BrokerAddress
from patrol.settings import ConfigProblems, load_site
from streams.address import StreamAddress, StreamChoice

CONFIG = Path(__file__).parents[2] / "config"
COMMENTED = re.compile(r"^# (?=\w+:\s)(.*(?:\n#   .*)*)", re.MULTILINE)
CAMERA_1 = "62090204011327000001"
Town = Any  # conftest's


@pytest.mark.parametrize(
    "written", COMMENTED.findall((CONFIG / "site.yaml").read_text("utf-8")), ids=lambda it: it[:20]
)
def test_what_the_example_offers_in_comments_can_be_taken(tmp_path: Path, written: str) -> None:
    """A setting that does not exist must not be offered; a file that is named need not be here."""
    town = Path(shutil.copytree(CONFIG, tmp_path / "town"))
    (secret := tmp_path / "secret").write_text("0123456789abcdef0123456789abcdef")
    taken = re.sub(r"(?<=_file: )/[\w./-]+", str(secret), written.replace("\n#", "\n"))
    if taken.startswith("production:"):  # which asks for the other
        taken += "\nimpact_assessment: X-1"
    site = town / "site.yaml"
    site.write_text(f"{site.read_text('utf-8')}\n{taken}\n", "utf-8")
    assert load_site(town, {}).settings.site.id == "shangba"


def test_the_example_town_is_ready() -> None:
    site = load_site(CONFIG, {})
    assert len(site.registry.tree.grids) == 68
    assert site.settings.site.tz == ZoneInfo("Asia/Shanghai")
    assert set(site.settings.plans) == {"morning", "afternoon"}
    assert site.settings.plans["morning"].after_sunrise == timedelta(minutes=30)
    leaders = [p for p in site.registry.people.values() if p.role is Role.GRID_LEADER]
    assert len(leaders) == 58
    assert site.notices == ()


def test_a_row_becomes_a_camera(town: Town) -> None:
    camera = load_site(town.directory, {}).registry.cameras[CameraId(CAMERA_1)]
    assert camera.name == "一号"
    assert camera.grid == GridCode("620902104203001")
    assert camera.placement is Placement.OUTDOOR
    assert camera.consent.state is ConsentState.GRANTED
    assert camera.consent.until == date(2027, 6, 30)
    assert camera.priority is Priority.KEY
    assert camera.tags == {"路口", "重点"}
    assert (camera.longitude, camera.latitude) == (98.75, 39.6)
    assert camera.link == "v203"


def test_what_is_left_out_has_a_default(town: Town) -> None:
    site = load_site(town.directory, {})
    camera = site.registry.cameras[CameraId("62090204011327000002")]
    assert camera.link == "192.0.2.2", "cameras of one host share its link"
    assert camera.priority is Priority.NORMAL
    assert camera.refusal_on(date(2026, 1, 1)) is Refusal.PLACEMENT_UNKNOWN
    assert site.settings.sampling.stream is StreamChoice.MAIN
    assert site.settings.limits.per_link == 32
    assert site.rules.by_kind["black_screen"].level is Level.NOTE


def test_a_camera_may_have_streams_of_its_own(town: Town) -> None:
    site_yaml = (town.directory / "site.yaml").read_text("utf-8")
    own = f"{{stream: sub, evidence: main, cameras: {{{CAMERA_1}: {{stream: main}}}}}}"
    town.write("site.yaml", f"{site_yaml}\nsampling: {own}\n")
    site = load_site(town.directory, {})
    sub = StreamAddress.parse("rtsp://192.0.2.1/sub")
    one, other = (
        dataclasses.replace(site.registry.cameras[CameraId(ident)], sub_stream=sub)
        for ident in (CAMERA_1, "62090204011327000002")
    )
    policy = site.settings.sampling.policy
    assert (policy.judged_stream(one), policy.evidence_stream(one)) == (StreamChoice.MAIN, None)
    assert policy.judged_stream(other) is StreamChoice.SUB
    assert policy.evidence_stream(other) is StreamChoice.MAIN


def test_a_minimal_site_has_the_two_rounds_of_the_town(town: Town) -> None:
    town.write("site.yaml", "site: {id: small, name: 小镇, latitude: 39.6, longitude: 98.75}\n")
    settings = load_site(town.directory, {}).settings
    assert [p.start for p in settings.plans.values()] == [local_time(9), local_time(15)]
    assert settings.database == f"sqlite:///{town.directory}/var/patrol.db"
    assert settings.mqtt.url == "mqtt://127.0.0.1:1883"


def test_only_the_needed_columns_are_needed(town: Town) -> None:
    town.write(
        "cameras.csv",
        "camera_id,name,grid_code,url,outdoor,consent\n"
        f"{CAMERA_1},一号,620902104203001,rtsp://192.0.2.1/a,yes,pending\n",
    )
    assert town.complaints() == []


@pytest.mark.parametrize(
    "text", ["mqtt: embedded", "mqtt: {url: embedded}", "mqtt: {embedded: true}"]
)
def test_the_embedded_broker_in_three_spellings(town: Town, text: str) -> None:
    town.spoil("site.yaml", 'mqtt: {url: "mqtt://127.0.0.1:1883"}', text)
    mqtt = load_site(town.directory, {}).settings.mqtt
    assert mqtt.embedded
    assert mqtt.url == "embedded"


def test_a_broker_with_tls_has_its_own_port(town: Town) -> None:
    town.spoil("site.yaml", "mqtt://127.0.0.1:1883", "mqtts://broker.example")
    mqtt = load_site(town.directory, {}).settings.mqtt
    assert mqtt.host == "broker.example"
    assert str(BrokerAddress.parse(mqtt.url)) == "mqtts://broker.example:8883"


def test_unquoted_times_are_times_and_not_sexagesimal_numbers(town: Town) -> None:
    town.spoil("site.yaml", '"10:30"', "10:30")
    assert load_site(town.directory, {}).settings.plans["morning"].finish_by == local_time(10, 30)


def test_excels_mark_crlf_blank_rows_and_capitals_are_fine(town: Town) -> None:
    text = (town.directory / "cameras.csv").read_text(encoding="utf-8")
    text = text.replace(",yes,granted", ",Yes,GRANTED").replace("\n", "\r\n") + ",,,,,,,,,,,,,,\r\n"
    town.write("cameras.csv", b"\xef\xbb\xbf" + text.encode())
    assert len(load_site(town.directory, {}).registry.cameras) == 2


def test_a_name_in_a_url_comes_from_the_environment(town: Town) -> None:
    town.spoil(
        "cameras.csv", "rtsp://u:s3cret@192.0.2.1/a", "rtsp://u:${PATROL_CAM_PW}@192.0.2.1/a$b"
    )
    site = load_site(town.directory, {"PATROL_CAM_PW": "p%40ss"})
    address = site.registry.cameras[CameraId(CAMERA_1)].main_stream
    assert address.with_credentials == "rtsp://u:p%40ss@192.0.2.1/a$b"


def test_a_name_in_the_database_url_comes_from_the_environment(town: Town) -> None:
    url = "postgresql+psycopg://patrol:${PATROL_DB_PW}@db/patrol"
    town.spoil("site.yaml", "sqlite:///var/patrol.db", url)
    site = load_site(town.directory, {"PATROL_DB_PW": "hush"})
    assert site.settings.database == "postgresql+psycopg://patrol:hush@db/patrol"
    assert "hush" not in repr(site.settings)


def test_passwords_of_cameras_do_not_print(town: Town) -> None:
    site = load_site(town.directory, {})
    assert "s3cret" not in repr(site)


def test_zones_reach_their_camera(town: Town) -> None:
    town.write(
        "zones.yaml",
        f"""\
{CAMERA_1}:
  visible: [[0, 0], [1, 0], [1, 0.6], [0, 0.6]]
  zones:
    - name: 道口
      polygon: [[0.1, 0.5], [0.9, 0.5], [0.5, 0.9]]
      classes: [car, Truck]
      hours: ["22:00-06:00", "12:00 - 13:30"]
      min_visits: 2
      kind: blocking_vehicle
    - {{name: 全天, polygon: [[0, 0], [1, 0], [1, 1]], kind: dumping, hours: "00:00-24:00"}}
""",
    )
    areas = load_site(town.directory, {}).registry.cameras[CameraId(CAMERA_1)].areas
    assert areas.visible is not None
    assert areas.visible[2] == (1.0, 0.6)
    road, all_day = areas.zones
    assert road.classes == {"car", "truck"}
    assert road.hours == (
        DailyHours(start=local_time(22), end=local_time(6)),
        DailyHours(start=local_time(12), end=local_time(13, 30)),
    )
    assert road.active_at(local_time(23, 30))
    assert not road.active_at(local_time(7))
    assert all_day.classes == frozenset()
    assert all_day.active_at(local_time(23, 59))


def test_rules_change_only_what_they_name(town: Town) -> None:
    town.write(
        "rules.yaml",
        "open_flame: {level: I, min_score: 0.7, unreviewed: true}\n"
        "blur: off\n"
        "livestock: {level: pressing}\n",
    )
    by_kind = load_site(town.directory, {}).rules.by_kind
    assert by_kind["open_flame"].unreviewed
    assert (by_kind["open_flame"].category, by_kind["open_flame"].level) == (
        "open_flame",
        Level.URGENT,
    )
    assert by_kind["livestock"].level is Level.PRESSING
    assert not by_kind["blur"].enabled
    assert by_kind["black_screen"].enabled
    assert [kind for kind, rule in by_kind.items() if rule.unreviewed] == ["open_flame"]


def test_review_and_verification_have_defaults(town: Town) -> None:
    settings = load_site(town.directory, {}).settings
    assert (settings.review.blind_sample, settings.review.known_positives) == (0.1, 0.0)
    assert settings.verification is Verifier.MACHINE
    own = "review: {blind_sample: 0}\nverification: operator\nplans:"
    town.spoil("site.yaml", "plans:", own)
    settings = load_site(town.directory, {}).settings
    assert settings.review.blind_sample == 0
    assert settings.verification is Verifier.OPERATOR


def test_no_plan_takes_the_name_of_rounds_by_hand(town: Town) -> None:
    town.spoil("site.yaml", "  morning:", "  adhoc:")
    (reported,) = town.complaints()
    assert "a plan cannot be named 'adhoc'" in reported


def test_consent_without_a_last_day_is_legal_and_noticed(town: Town) -> None:
    town.spoil("cameras.csv", "2027-06-30", "")
    site = load_site(town.directory, {})
    assert site.registry.cameras[CameraId(CAMERA_1)].refusal_on(date(2026, 1, 1)) is (
        Refusal.CONSENT_UNDATED
    )
    assert [(n.line, n.field) for n in site.notices] == [(2, "consent_until")]


def test_substitutes_are_known(town: Town) -> None:
    people = load_site(town.directory, {}).registry.people
    assert people[PersonId("L2")].substitute_for == "L1"


def test_a_site_cannot_be_changed(town: Town) -> None:
    site = load_site(town.directory, {})
    with pytest.raises(ValidationError, match="frozen"):
        site.settings.evidence = Path("/elsewhere")  # type: ignore[misc]  # what is tested
    with pytest.raises(dataclasses.FrozenInstanceError):
        site.own_models = ()  # type: ignore[misc]  # what is tested


def test_ten_thousand_cameras_are_read_in_a_breath(town: Town) -> None:
    rows = [
        f"6209020401132{n:07d},{n},620902104203001,,rtsp://u:p@192.0.2.1:{1024 + n}/a?b=c,"
        "rtsp://u:p@192.0.2.1/s,v1,H-1,yes,granted,2027-06-30,normal,a;b,98.7,39.6\n"
        for n in range(10_000)
    ]
    town.write("cameras.csv", town.camera_header + "".join(rows))
    before = time.process_time()
    site = load_site(town.directory, {})
    assert len(site.registry.cameras) == 10_000
    assert time.process_time() - before < 5, "about 0.5 s; ten times that is not the machine"


def test_a_missing_directory_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblems) as caught:
        load_site(tmp_path / "nowhere", {})
    assert str(caught.value).endswith(
        "nowhere:1: directory: does not exist, give the directory of site.yaml with -c DIR"
    )


def test_the_zones_in_the_readme_of_config_are_good(town: Town) -> None:
    text = (CONFIG / "README.md").read_text(encoding="utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    town.write("zones.yaml", example)
    areas = load_site(town.directory, {}).registry.cameras[CameraId(CAMERA_1)].areas
    assert areas.visible is not None
    assert [zone.kind for zone in areas.zones] == ["blocking_vehicle"]


def test_a_proxy_is_named_and_never_everybody(town: Town) -> None:
    site = (town.directory / "site.yaml").read_text("utf-8")

    def reported(proxies: str) -> list[str]:
        town.write("site.yaml", f"{site}console: {{trusted_proxies: {proxies}}}\n")
        complaints: list[str] = town.complaints()
        return complaints

    assert reported("[127.0.0.1, '10.7.0.0/24', '::1']") == []
    assert load_site(town.directory, {}).settings.console.trusted_proxies[1] == "10.7.0.0/24"
    assert "believes everybody" in reported("['0.0.0.0/0']")[0]
    assert "is no address" in reported("['*']")[0]


def test_reading_a_sites_files_needs_no_picture_libraries() -> None:
    code = (
        "import sys; from pathlib import Path; from patrol.settings import load_site\n"
        f"load_site(Path({str(CONFIG)!r}), {{}})\n"
        "print([name for name in ('numpy', 'cv2', 'av', 'onnxruntime') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("mqtt", "noticed"),
    [
        ("{url: 'mqtt://192.0.2.5:1883', username: centre}", True),
        ("{url: 'mqtt://broker.example', password_file: FILE}", True),
        ("{url: 'mqtt://192.0.2.5:1883'}", False),
        ("{url: 'mqtt://127.0.0.1:1883', username: centre}", False),
        ("{url: 'mqtt://localhost', username: centre}", False),
        ("{url: 'mqtts://192.0.2.5:8883', username: centre}", False),
        ("embedded", False),
    ],
)
def test_a_brokers_password_in_clear_text_is_noticed(town: Town, mqtt: str, noticed: bool) -> None:  # noqa: FBT001  a table's column
    (town.directory / "pw").write_text("x", "utf-8")
    text = (town.directory / "site.yaml").read_text("utf-8")
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("mqtt:"))
    mqtt = mqtt.replace("FILE", str(town.directory / "pw"))
    town.write("site.yaml", f"{kept}\nmqtt: {mqtt}\n".encode())
    found = [notice for notice in load_site(town.directory, {}).notices if "mqtt" in notice.field]
    assert bool(found) is noticed
    assert all("mqtts://" in notice.text for notice in found)

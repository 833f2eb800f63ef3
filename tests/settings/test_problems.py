"""A table of spoilt files and the lines that are said about them."""

from typing import Any

import pytest
import yaml

from patrol.settings import yaml_file
from patrol.settings.config_file import unmarked_utf16

Town = Any  # conftest's
ROW_1 = "62090204011327000001,一号,620902104203001"
URL_1 = "rtsp://u:s3cret@192.0.2.1/a"
ZONE = "polygon: [[0,0],[1,0],[1,1]]"


def spoilt(name: str, old: str, new: str, *lines: str) -> Any:
    return pytest.param(name, old, new, [f"{name}:{line}" for line in lines], id=lines[0][:60])


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        # cameras.csv: the table
        spoilt("cameras.csv", "name,", "nmae,",
               "1: header: column 'name' is missing, add it",
               "1: header: unknown column 'nmae', did you mean 'name'?"),
        spoilt("cameras.csv", "place,", "name,",
               "1: header: column 'name' stands there twice, delete one"),
        spoilt("cameras.csv", "place,", ",",
               "1: header: column 4 has no name, name it or delete it"),
        spoilt("cameras.csv", "98.75,39.6", "98.75,39.6,7",
               "2: row: has 16 cells, the header has 15; quote cells that hold a comma"),
        spoilt("cameras.csv", "村口", '"村口',
               "2: row: unexpected end of data, look for a quotation mark that is not closed"),
        # cameras.csv: the cells
        spoilt("cameras.csv", "62090204011327000001", "6209020401132700000",
               "2: camera_id: '6209020401132700000' is not a GB/T 28181 device code,"
               " give 20 digits"),
        spoilt("cameras.csv", "62090204011327000001", "6.20902E+19",
               "2: camera_id: '6.20902E+19' was a code until Excel made it a number,"
               " format the column as text and give 20 digits"),
        spoilt("cameras.csv", "62090204011327000002", "62090204011327000001",
               "3: camera_id: '62090204011327000001' stands on line 2 already, each only once"),
        spoilt("cameras.csv", ROW_1, "62090204011327000001,,620902104203001",
               "2: name: is empty, give the camera's name"),
        spoilt("cameras.csv", "620902104203001,村口", "620902104203009,村口",
               "2: grid_code: grid '620902104203009' is not in grids.csv,"
               " add it there or give one that is"),
        spoilt("cameras.csv", "620902104203001,村口", "6.20902E+14,村口",
               "2: grid_code: '6.20902E+14' was a code until Excel made it a number,"
               " format the column as text and give 15 digits"),
        spoilt("grids.csv", "一村一组,group,620902104203000\n", "一村一组,group,6.20902E+14\n",
               "4: parent: '6.20902E+14' was a code until Excel made it a number,"
               " format the column as text and give 15 digits"),
        spoilt("cameras.csv", ",yes,granted", ",maybe,granted",
               "2: outdoor: 'maybe' is unknown, give one of yes, no, unknown"),
        spoilt("cameras.csv", ",yes,granted", ",,granted",
               "2: outdoor: is empty, give one of yes, no, unknown"),
        spoilt("cameras.csv", "granted", "agreed",
               "2: consent: 'agreed' is unknown, give one of granted, pending, withdrawn"),
        spoilt("cameras.csv", "2027-06-30", "6/30/2027",
               "2: consent_until: '6/30/2027' is not a date, write YYYY-MM-DD"),
        spoilt("cameras.csv", "2027-06-30", "2027-02-30",
               "2: consent_until: '2027-02-30' is not a date, write YYYY-MM-DD"),
        spoilt("cameras.csv", ",key,", ",high,",
               "2: priority: 'high' is unknown, give one of normal, key"),
        spoilt("cameras.csv", "98.75,39.6", "398.75,39.6",
               "2: lon: '398.75' is not in decimal degrees WGS-84, give -180 to 180"),
        spoilt("cameras.csv", "98.75,39.6", "98.75,nan",
               "2: lat: 'nan' is not in decimal degrees WGS-84, give -90 to 90"),
        spoilt("cameras.csv", "98.75,39.6", "98.75,",
               "2: lat: is empty, give both lon and lat"),
        spoilt("cameras.csv", "H-0001", "张三家",
               "2: household_ref: '张三家' is not an identifier, use 1 to 64 letters, digits, '_',"
               " '.', '-', a reference such as H-0001, never a name"),
        spoilt("cameras.csv", "v203", "v/203",
               "2: link: 'v/203' is not an identifier, use 1 to 64 letters, digits, '_', '.', '-'"),
        # cameras.csv: URLs, never quoted
        spoilt("cameras.csv", URL_1, "", "2: url: is empty, give rtsp://…"),
        spoilt("cameras.csv", URL_1, "192.0.2.1/s3cret",
               "2: url: no scheme, give rtsp://host[:port]/path (file:///… for a file)"),
        spoilt("cameras.csv", URL_1, "ftp://u:s3cret@192.0.2.1/a",
               "2: url: scheme 'ftp' is not one of gb28181, http, https, onvif, rtmp, rtmps, rtsp,"
               " rtsp+http, rtsp+https, rtsp+ws, rtsp+wss, rtsps, rtspu, ticket, wvp, zlm, file"),
        spoilt("cameras.csv", URL_1, "rtsp://",
               "2: url: no host in the rtsp address; give rtsp://host[:port]/path"),
        spoilt("cameras.csv", URL_1, "rtsp://u:s3cret@192.0.2.1:99999/a",
               "2: url: not a URL: the host or the port cannot be read"),
        spoilt("cameras.csv", URL_1, "rtsp://u:s3#cret@192.0.2.1/a",
               "2: url: the user or the password seems to hold '#',"
               " write %23: rtsp://USER:***%23***@HOST/…"),
        spoilt("cameras.csv", URL_1, "rtsp://u:2026#Sec@@192.0.2.1/a",
               "2: url: the user or the password seems to hold '#', '@',"
               " write %23, %40: rtsp://USER:***%23***%40@HOST/…"),
        spoilt("cameras.csv", URL_1, "rtsp://u:2026?Sec@192.0.2.1/a",
               "2: url: the user or the password seems to hold '?',"
               " write %3F: rtsp://USER:***%3F***@HOST/…"),
        spoilt("cameras.csv", URL_1, "rtsp://u:20[26@192.0.2.1/a",
               "2: url: the user or the password seems to hold '[',"
               " write %5B: rtsp://USER:***%5B***@HOST/…"),
        spoilt("cameras.csv", URL_1, "rtsp://u:20%s@192.0.2.1/a",
               "2: url: the user or the password seems to hold '%',"
               " write %25: rtsp://USER:***%25***@HOST/…"),
        spoilt("cameras.csv", URL_1, "rtsp://u:$PATROL_CAM_PW@192.0.2.1/a",
               "2: url: '$NAME' without braces is not replaced, write ${NAME};"
               " a plain '$' is written %24"),
        spoilt("cameras.csv", URL_1, "u:s3cret@192.0.2.1/a",
               "2: url: no scheme before user and password, give rtsp://user:password@host/path"),
        spoilt("cameras.csv", URL_1, "rtsp://u:3/cret@192.0.2.1/a",
               "2: url: the user or the password seems to hold '/',"
               " write %2F: rtsp://USER:***%2F***@HOST/…"),
        spoilt("cameras.csv", URL_1, "rtsp://192.0.2.1/a b",
               "2: url: there is a space or a control character in it, write %20 or delete it"),
        spoilt("cameras.csv", URL_1, "rtsp://u:${PATROL_CAM_PW}@192.0.2.1/a",
               "2: url: the environment has no PATROL_CAM_PW, set it before starting"),
        spoilt("cameras.csv", URL_1, "rtsp://u:${CAM0_PW}@192.0.2.1/a",
               "2: url: ${CAM0_PW} is not read, only names that begin with PATROL_CAM_ are:"
               " rename it to PATROL_CAM_CAM0_PW"),
        spoilt("cameras.csv", URL_1, "rtsp://u:${PATROL_DB_PASSWORD}@192.0.2.1/a",
               "2: url: ${PATROL_DB_PASSWORD} is not read, only names that begin with PATROL_CAM_"
               " are: rename it to PATROL_CAM_DB_PASSWORD"),
        spoilt("cameras.csv", URL_1, "rtsp://u:${PATROL_CAM_PW@192.0.2.1/a",
               "2: url: '${' is not closed, write ${NAME}"),
        spoilt("cameras.csv", URL_1, "rtsp://u:${}@192.0.2.1/a",
               "2: url: ${} is not a variable's name, write ${NAME}"),
        # grids.csv
        spoilt("grids.csv", "一村一组,group,620902104203000\n",
               "一村一组,group,620902104203000\n62090210420300X,二组,group,620902104203000\n",
               "5: grid_code: '62090210420300X' is not a grid code, give 15 digits"),
        spoilt("grids.csv", "一村一组,group", "一村一组,team",
               "4: level: 'team' is unknown, give one of town, village, group"),
        spoilt("grids.csv", "村,village,620902104000000", "村,village,",
               "3: parent: is empty, give the town's grid_code"),
        spoilt("grids.csv", "小镇,town,", "小镇,town,620902104203000",
               "2: parent: a town has no parent, leave it empty"),
        spoilt("grids.csv", "组,group,620902104203000", "组,group,620902104000000",
               "4: parent: a group stands under a village, 620902104000000 is a town"),
        spoilt("grids.csv", "村,village,620902104000000", "村,village,620902104999000",
               "3: parent: grid '620902104999000' is not in this file, add it"),
        spoilt("grids.csv", "一村一组,group,620902104203000\n",
               "一村一组,group,620902104203000\n620902104203000,又一村,village,620902104000000\n",
               "5: grid_code: '620902104203000' stands on line 3 already, each only once"),
        spoilt("grids.csv", "村,village,620902104000000", "村,village,620902104203000",
               "3: parent: a village stands under a town, 620902104203000 is a village",
               "3: parent: parents go round in a circle, cut it:"
               " 620902104203000 → 620902104203000"),
        # people.csv
        spoilt("people.csv", "T1,镇值班,town_duty", "T 1,镇值班,town_duty",
               "2: person_id: 'T 1' is not an identifier, use 1 to 64 letters, digits, '_', '.',"
               " '-'"),
        spoilt("people.csv", "L2,党", "L1,党",
               "5: person_id: 'L1' stands on line 4 already, each only once"),
        spoilt("people.csv", "grid_leader", "leader",
               "4: role: 'leader' is unknown, give one of town_duty, village_cadre, grid_leader,"
               " party_group_leader, grid_worker, respected_villager, maintainer, helper,"
               " town_official, village_police, village_group_cadre, joint_defence_household,"
               " unit_guard"),
        spoilt("people.csv", "town_duty,620902104000000", "town_duty,620902104203000",
               "2: role: town_duty belongs to a town, 620902104203000 is a village"),
        spoilt("people.csv", "cadre,620902104203000", "cadre,620902104000000",
               "3: role: village_cadre belongs to a village or a group, 620902104000000 is a town"),
        spoilt("people.csv", "L1,0937", "L1/+,0937",
               "4: mqtt_user: 'L1/+' is not an identifier, use 1 to 64 letters, digits, '_', '.',"
               " '-'"),
        spoilt("people.csv", "0937-1234567", "call me",
               "4: phone: 'call me' is not a telephone number, use digits"),
        spoilt("people.csv", ",L1\n", ",L9\n",
               "5: substitute_for: person 'L9' is not in this file, give a person_id"),
        spoilt("people.csv", ",L1\n", ",V1\n",
               "5: substitute_for: V1 answers for grid 620902104203000,"
               " a substitute is of the same grid"),
        spoilt("people.csv", ",L1\n", ",L2\n",
               "5: substitute_for: nobody is their own substitute, name another person"),
        spoilt("people.csv", "0937-1234567,", "0937-1234567,L2",
               "4: substitute_for: L1 and L2 stand in for each other,"
               " let one of them be the first"),
        # site.yaml
        spoilt("site.yaml", "sqlite:///var/patrol.db", "mysql://u:s3cret@db/x",
               "2: database: not a database this product knows,"
               " write sqlite:///PATH or postgresql+psycopg://…"),
        spoilt("site.yaml", "sqlite:///var/patrol.db", "postgresql://u:s3cret@db/x",
               "2: database: scheme 'postgresql' does not name the driver,"
               " write postgresql+psycopg://"),
        spoilt("site.yaml", "sqlite:///var/patrol.db", "postgresql+psycopg://u:${DB_PW}@db/x",
               "2: database: ${DB_PW} is not read, only names that begin with PATROL_ are:"
               " rename it to PATROL_DB_PW"),
        spoilt("site.yaml", "sqlite:///var/patrol.db",
               "postgresql+psycopg://u:${PATROL_NO_PW}@db/x",
               "2: database: the environment has no PATROL_NO_PW, set it before starting"),
        spoilt("site.yaml", "database:", "databse:",
               "2: databse: unknown setting, did you mean 'database'?"),
        spoilt("site.yaml", "plans:", "calender: {}\nplans:",
               "4: calender: unknown setting, did you mean 'calendar'?"),
        spoilt("site.yaml", "plans:", "office_section: {}\nplans:",
               "4: office_section: unknown setting, known: cluster, patrols, centres,"
               " hand_off, broadcast, supervision, ground_patrols, teams, metrics, canary,"
               " webhooks, notify, sending, links,"
               " timestamp, site, database, evidence, models, objects, mqtt, plans,"
               " production, impact_assessment, keys, backup, camera_tls, sampling, limits,"
               " retention, quality, centre, console, office, calendar, health, review,"
               " verification"),
        spoilt("site.yaml", "plans:",
               "calendar: {holidays: [{name: a, form: 2027-02-06, until: 2027-02-08, skip: [x]}]}\n"
               "plans:",
               "4: calendar.holidays[0].form: unknown setting, did you mean 'from'?",
               "4: calendar.holidays[0].from: is missing, add it"),
        spoilt("site.yaml", "id: small", "id: small/+",
               "1: site.id: 'small/+' is not an identifier, use 1 to 64 letters, digits, '_', '.',"
               " '-'"),
        spoilt("site.yaml", ", latitude: 39.6", "", "1: site.latitude: is missing, add it"),
        spoilt("site.yaml", "latitude: 39.6", "latitude: 139.6",
               "1: site.latitude: 139.6 is out of range, give at most 90"),
        spoilt("site.yaml", "longitude: 98.75", "longitude: 98.75, timezone: Asia/Shangba",
               "1: site.timezone: 'Asia/Shangba' is not a time zone, write e.g. Asia/Shanghai"),
        spoilt("site.yaml", '"620902104"', "shangba",
               "1: site.code: 'shangba' is not a division code, write 6 to 12 digits in quotes"),
        spoilt("site.yaml", '"09:00"', '"9 o\'clock"',
               '5: plans.morning.start: "9 o\'clock" is not a time of day, write it as 09:00'),
        spoilt("site.yaml", '"10:30"', '"08:30"',
               "5: plans.morning: finish_by 08:30 is not after start 09:00,"
               " a round ends on the day on which it starts"),
        spoilt("site.yaml", "after_sunrise_min: 30", "after_sunrise_min: soon",
               "5: plans.morning.after_sunrise_min: 'soon' is not a whole number"),
        spoilt("site.yaml", "after_sunrise_min", "after_sunrise",
               "5: plans.morning.after_sunrise: unknown setting,"
               " did you mean 'after_sunrise_min'?"),
        spoilt("site.yaml", "  morning:", "  mor ning:",
               "5: plans.mor ning: 'mor ning' is not an identifier, use 1 to 64 letters, digits,"
               " '_', '.', '-'"),
        spoilt("site.yaml", "mqtt://127.0.0.1:1883", "amqp://127.0.0.1",
               "3: mqtt.url: not a broker, write mqtt://HOST:1883, mqtts://HOST:8883 or embedded"),
        spoilt("site.yaml", "mqtt://127.0.0.1:1883", "mqtt://u:s3cret@127.0.0.1",
               "3: mqtt.url: holds credentials, move them to username and password_file"),
        spoilt("site.yaml", "mqtt://127.0.0.1:1883", "mqtt://127.0.0.1:1883?password=s3cret",
               "3: mqtt.url: not a broker, write mqtt://HOST:1883, mqtts://HOST:8883 or embedded"),
        spoilt("site.yaml", "127.0.0.1:1883", "127.0.0.1:0",
               "3: mqtt.url: port 0 is no broker's, write mqtt://HOST:1883"),
        spoilt("site.yaml", '1883"}', '1883", password_file: /nowhere/pw}',
               "3: mqtt.password_file: no such file: /nowhere/pw, create it"),
        spoilt("site.yaml", "plans:",
               'sampling: {cameras: {"62090210001310000999": {stream: sub}}}\nplans:',
               "4: sampling.cameras.62090210001310000999: this camera is not in cameras.csv,"
               " correct the id or delete the entry"),
        spoilt("site.yaml", "plans:", "sampling: {stream: third, pictures: 0}\nplans:",
               "4: sampling.pictures: 0 is out of range, give at least 1",
               "4: sampling.stream: 'third' is unknown, give one of 'main' or 'sub'"),
        spoilt("site.yaml", "plans:",
               "sampling: {evidence: third, cameras: {12: {stream: sub}}}\nplans:",
               "4: sampling.cameras.12: '12' is not a GB/T 28181 device code, give 20 digits",
               "4: sampling.evidence: 'third' is unknown, give one of 'main' or 'sub'"),
        spoilt("site.yaml", "plans:", "quality:\n  blur_ratoi: 0.4\nplans:",
               "5: quality.blur_ratoi: unknown threshold, did you mean 'blur_ratio'?"),
        spoilt("site.yaml", "plans:", "limits: {connections: true}\nplans:",
               "4: limits.connections: true is not a number"),
        spoilt("site.yaml", "plans:", "quality: {mean_dark: 30, blur_ratio: false}\nplans:",
               "4: quality: blur_ratio: false is not a number"),
        spoilt("site.yaml", "plans:", 'links: {base_url: "ftp://x"}\nplans:',
               "4: links.base_url: not an address, write https://HOST[:PORT]"),
        spoilt("site.yaml", "plans:", 'links: {base_url: "https://u:s3cret@x"}\nplans:',
               "4: links.base_url: holds more than host, port and path, write https://HOST[:PORT]"),
        spoilt("site.yaml", "plans:", "limits: {mbit_s: .inf}\nplans:",
               "4: limits.mbit_s: '.inf' is not a number"),
        spoilt("site.yaml", "plans:", "database: sqlite:///x.db\nplans:",
               "4: database: stands on line 2 already, delete one"),
        spoilt("site.yaml", "  morning: {", "\tmorning: {",
               "5: yaml: a tab cannot indent, use spaces"),
        spoilt("site.yaml", ", after_sunrise_min: 30}", "",
               "6: yaml: what { opens on line 5 is not closed, the file ends before,"
               " look for what is missing between there and here"),
    ],
)  # fmt: skip
def test_a_spoilt_file_is_told_with_its_line(
    town: Town, name: str, old: str, new: str, expected: list[str]
) -> None:
    town.spoil(name, old, new)
    reported = town.complaints()
    assert reported == expected
    assert not any("s3cret" in line or "cret@" in line for line in reported)


@pytest.mark.parametrize("name", ["cameras.csv", "grids.csv", "people.csv", "site.yaml"])
@pytest.mark.parametrize(
    ("content", "reported"),
    [
        pytest.param(b"", "1: file: is empty, write at least its header", id="empty"),
        pytest.param(b"\xef\xbb\xbf\r\n", "1: file: is empty, write at least its header", id="bom"),
        pytest.param(
            b"a,b\nc,\xff\xfe\xff\n",
            "2: file: is not UTF-8, save it as UTF-8 (in Excel or WPS: Save As → “CSV UTF-8”)",
            id="no text",
        ),
        pytest.param(
            b"a,b\nc\0,d\n",
            "2: file: holds a NUL byte, so it is no text, save it as UTF-8 (in Excel or WPS:"
            " Save As → “CSV UTF-8”)",
            id="nul",
        ),
    ],
)
def test_what_is_no_text_is_named(town: Town, name: str, content: bytes, reported: str) -> None:
    town.write(name, content)
    assert f"{name}:{reported}" in town.complaints()
    assert len(town.complaints()) == 1, "nothing is said of what refers to it"


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        (
            "一号\n二号,".encode("gb18030"),
            "is not UTF-8 (it looks like GBK/GB18030), save it as UTF-8",
        ),
        ("a: b".encode("utf-16"), "is UTF-16, save it as UTF-8"),
        (b"PK\x03\x04rest", "is an Excel workbook, not text, save it as UTF-8"),
    ],
    ids=["gbk", "utf-16", "xlsx"],
)
def test_yaml_is_utf_8(town: Town, content: bytes, reported: str) -> None:
    town.write("site.yaml", content)
    (complaint,) = town.complaints()
    assert complaint.startswith(f"site.yaml:1: file: {reported}")


@pytest.mark.parametrize(("mark", "name"), [("|", "'|'"), ("，", "a Chinese comma")])
def test_another_delimiter_is_named(town: Town, mark: str, name: str) -> None:
    text = (town.directory / "people.csv").read_text(encoding="utf-8")
    town.write("people.csv", text.replace(",", mark))
    assert town.complaints() == [f"people.csv:1: header: columns are separated by {name}, use ','"]


def test_a_header_alone_is_not_a_registry(town: Town) -> None:
    town.write("cameras.csv", town.camera_header)
    assert town.complaints() == ["cameras.csv:1: file: has a header and no rows, add at least one"]


def test_missing_files_are_all_named(town: Town) -> None:
    for name in ("site.yaml", "grids.csv", "people.csv", "cameras.csv"):
        (town.directory / name).unlink()
    reported = town.complaints()
    assert [line.split(":")[0] for line in reported] == [
        "cameras.csv", "grids.csv", "people.csv", "site.yaml",
    ]  # fmt: skip
    assert all("does not exist, create it" in line for line in reported)


def test_lines_are_physical_lines(town: Town) -> None:
    """A quoted cell may hold line breaks; an editor counts them."""
    town.spoil("cameras.csv", "村口", '"村口\n第二行\n第三行"')
    town.spoil("cameras.csv", "二号,620902104203001", "二号,620902104203777")
    reported = [line.split(": ")[:2] for line in town.complaints()]
    assert reported == [["cameras.csv:2", "place"], ["cameras.csv:5", "grid_code"]]


def test_every_problem_of_every_file_in_one_go(town: Town) -> None:
    town.spoil("site.yaml", "latitude: 39.6", "latitude: north")
    town.spoil("grids.csv", "小镇,town", ",town")
    town.spoil("people.csv", "0937-1234567", "?")
    town.spoil("cameras.csv", ",yes,granted,2027-06-30", ",perhaps,asked,soon")
    town.write("zones.yaml", "62090204011327000009: {}\n")
    town.write("rules.yaml", "open_flame: {level: V}\n")
    assert town.complaints() == [
        "cameras.csv:2: consent: 'asked' is unknown, give one of granted, pending, withdrawn",
        "cameras.csv:2: consent_until: 'soon' is not a date, write YYYY-MM-DD",
        "cameras.csv:2: outdoor: 'perhaps' is unknown, give one of yes, no, unknown",
        "grids.csv:2: name: is empty, give the grid's name",
        "people.csv:4: phone: '?' is not a telephone number, use digits",
        "rules.yaml:1: open_flame.level: 'V' is not a level, give I, II, III or IV",
        "site.yaml:1: site.latitude: 'north' is not a number",
        "zones.yaml:1: 62090204011327000009: this camera is not in cameras.csv, add or delete it",
    ]


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("12: {}", ["1: 12: '12' is not a GB/T 28181 device code, give 20 digits"]),
        ("{c}:\n  visible: [[0, 0], [1, 1]]",
         ["2: {c}.visible: a polygon has at least 3 points, this one has 2"]),
        ("{c}:\n  visible: [[0, 0], [1, 0], [1.2, 1]]",
         ["2: {c}.visible: point (1.2, 1.0) lies outside the picture, give 0..1"]),
        ("{c}:\n  visible: [[0, 0], [0.5, 0.5], [1, 1]]",
         ["2: {c}.visible: the points lie on one line, a polygon encloses an area"]),
        ("{c}:\n  visible: [[0, 0], [1, 1], [1, 0], [0, 1]]",
         ["2: {c}.visible: its outline crosses itself, list the corners in order around the area"]),
        ("{c}:\n  visible: [[0.1, 0.1], [0.9, 0.1], [0.5, 0.3], [0.9, 0.9], [0.1, 0.9]]", []),
        ("{c}:\n  visible: [[0, 0], [0.5], [1, 1]]", ["2: {c}.visible[1][1]: is missing, add it"]),
        ("{c}:\n  zones:\n  - {name: a, kind: dumping, ZONE, classes: [cars]}",
         ["3: {c}.zones[0].classes[0]: unknown class 'cars', did you mean 'car'?"]),
        ("{c}:\n  zones:\n  - {name: a, kind: dumpin, ZONE}",
         ["3: {c}.zones[0].kind: unknown kind 'dumpin', did you mean 'dumping'?"]),
        ("{c}:\n  zones:\n  - {name: a, ZONE}", ["3: {c}.zones[0].kind: is missing, add it"]),
        ("{c}:\n  zones:\n  - name: a\n    kind: dumping\n    ZONE\n    hours: 22:00",
         ["6: {c}.zones[0].hours: '22:00' are not hours, write 22:00-06:00"]),
        ("{c}:\n  zones:\n  - name: a\n    kind: dumping\n    ZONE\n    min_visits: 0",
         ["6: {c}.zones[0].min_visits: 0 is out of range, give at least 1"]),
        ("{c}:\n  zone: []", ["2: {c}.zone: unknown setting, did you mean 'zones'?"]),
        ("{c}:\n  zones:\n  - {name: a, kind: dumping, ZONE}\n  - {name: a, kind: other, ZONE}",
         ["1: {c}: two zones are called 'a', give each its own name"]),
        ("- 1", ["1: file: [1] is not a mapping `name: value`"]),
        ("{c}: &x\n  visible: *x", ["1: yaml: an alias holds itself, write it out"]),
    ],
)  # fmt: skip
def test_zones(town: Town, text: str, reported: list[str]) -> None:
    camera = "62090204011327000001"
    town.write("zones.yaml", text.replace("{c}", camera).replace("ZONE", ZONE) + "\n")
    assert town.complaints() == [f"zones.yaml:{line}".replace("{c}", camera) for line in reported]


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("open_flam: {level: I}",
         "open_flam: unknown kind 'open_flam', did you mean 'open_flame'?"),
        ("blur: {category: equipmnt}",
         "blur.category: unknown category 'equipmnt', did you mean 'equipment'?"),
        ("blur: {level: 5}", "blur.level: 5 is not a level, give I, II, III or IV"),
        ("blur: {min_score: 2}", "blur.min_score: 2 is out of range, give at most 1"),
        ("blur: {unreviewed: maybe}", "blur.unreviewed: 'maybe' is not true or false"),
        ("blur: {levl: I}", "blur.levl: unknown setting, did you mean 'level'?"),
        ("blur: on", "blur: 'on' is not a mapping `name: value`"),
    ],
)  # fmt: skip
def test_rules(town: Town, text: str, reported: str) -> None:
    town.write("rules.yaml", f"# a comment\n{text}\n")
    assert town.complaints() == [f"rules.yaml:2: {reported}"]


@pytest.fixture(params=["libyaml", "pure"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML has two parsers that find the same things and say them in different words."""
    base = yaml.SafeLoader if request.param == "pure" else yaml.CSafeLoader
    monkeypatch.setattr(yaml_file, "_Loader", yaml_file.core_schema_loader(base))


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    "text",
    ["site: " + "{a: " * 3000 + "1" + "}" * 3000, "- " * 3000 + "1", "[" * 3000],
    ids=["flow", "block", "unclosed"],
)
def test_nesting_has_an_end(town: Town, text: str) -> None:
    town.write("site.yaml", text)
    assert town.complaints() == ["site.yaml:1: yaml: nested more than 64 deep, write it flatter"]


LOOK = "look at the indentation and the quotes here and just above"
BETWEEN = "look for what is missing between there and here"


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("a:\n\tb: 1", "2: a tab cannot indent, use spaces"),
        ("a:\n  b: @x", "2: a value cannot start with @, put it in quotes"),
        ("a: `x`", "1: a value cannot start with `, put it in quotes"),
        ("a: b: c",
         "1: a colon too many, put a text that holds `: ` in quotes and look at the indentation"),
        ("a: [1, 2\nb: 3", f"2: what [ opens on line 1 is not closed, {BETWEEN}"),
        ("a: {b: 1\n",
         f"2: what {{ opens on line 1 is not closed, the file ends before, {BETWEEN}"),
        ("a: 'x", f"1: what ' opens on line 1 is not closed, the file ends before, {BETWEEN}"),
        ("a: *x", "1: this alias has no anchor above it, write the value out"),
        ("a: &a 1\nb: &a 2",
         "2: this anchor has a name that stands above already, give it another"),
        ("a: 1\n---\nb: 2", "2: a second document begins, keep one in a file"),
        ("a: 1\nb: \x01", "2: holds the control character U+0001, delete it"),
        ("a:\n  - b\n c: d", f"3: cannot be understood, {LOOK}"),
        ("- a\nb: c", f"2: cannot be understood, {LOOK}"),
        ("a: &x &y b", f"1: cannot be understood, {LOOK}"),
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_told_in_our_words(town: Town, text: str, reported: str) -> None:
    town.write("rules.yaml", text)
    line, what = reported.split(": ", 1)
    assert town.complaints() == [f"rules.yaml:{line}: yaml: {what}"]


def test_aliases_do_not_grow_without_bounds(town: Town) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    town.write("rules.yaml", "\n".join(lines))
    assert [line.split(": ", 1)[1] for line in town.complaints()] == [
        "yaml: aliases make this too large, use fewer"
    ]


def test_a_file_that_may_not_be_read(town: Town) -> None:
    (town.directory / "cameras.csv").unlink()
    (town.directory / "cameras.csv").mkdir()
    assert town.complaints() == [
        "cameras.csv:1: file: cannot be read (Is a directory), give this user the right to read it"
    ]


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["site: {id: a}\n", "# 上坝镇巡查\nsite: {name: 上坝镇上坝镇}\n"])
def test_utf_16_without_a_mark_is_named(order: str, text: str) -> None:
    assert unmarked_utf16(text.encode(order)) == order


@pytest.mark.parametrize(
    "raw", [b"a,b\n1,\0\n", "上坝".encode(), b"", b"\0", b"\0\0", "上坝\n".encode("gb18030")]
)
def test_other_bytes_are_no_utf_16(raw: bytes) -> None:
    assert unmarked_utf16(raw) is None

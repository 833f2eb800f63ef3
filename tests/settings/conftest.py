"""A small good town on disk; tests spoil one thing of it and read what is said."""

from pathlib import Path

import pytest

from patrol.settings import ConfigProblems, load_site

SITE = """\
site: {id: small, name: 小镇, code: "620902104", latitude: 39.6, longitude: 98.75}
database: sqlite:///var/patrol.db
mqtt: {url: "mqtt://127.0.0.1:1883"}
plans:
  morning: {start: "09:00", finish_by: "10:30", after_sunrise_min: 30}
"""
GRIDS = """\
grid_code,name,level,parent
620902104000000,小镇,town,
620902104203000,一村,village,620902104000000
620902104203001,一村一组,group,620902104203000
"""
PEOPLE = """\
person_id,name,role,grid_code,mqtt_user,phone,substitute_for
T1,镇值班,town_duty,620902104000000,T1,,
V1,村班子,village_cadre,620902104203000,V1,,
L1,网格长,grid_leader,620902104203001,L1,0937-1234567,
L2,党小组长,party_group_leader,620902104203001,L2,,L1
"""
CAMERA_HEADER = (
    "camera_id,name,grid_code,place,url,sub_url,link,household_ref,outdoor,consent,"
    "consent_until,priority,tags,lon,lat\n"
)
CAMERAS = CAMERA_HEADER + (
    "62090204011327000001,一号,620902104203001,村口,rtsp://u:s3cret@192.0.2.1/a,,v203,H-0001,yes,"
    "granted,2027-06-30,key,路口;重点,98.75,39.6\n"
    "62090204011327000002,二号,620902104203001,渠边,rtsp://192.0.2.2/b,,,,unknown,pending,,,,,\n"
)
FILES = {"site.yaml": SITE, "grids.csv": GRIDS, "people.csv": PEOPLE, "cameras.csv": CAMERAS}


class SiteFolder:
    """The directory, and what loading it says."""

    camera_header = CAMERA_HEADER

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, content: str | bytes) -> None:
        raw = content.encode() if isinstance(content, str) else content
        (self.directory / name).write_bytes(raw)

    def spoil(self, name: str, old: str, new: str) -> None:
        text = (self.directory / name).read_text(encoding="utf-8")
        assert text.count(old) >= 1, f"{old!r} is not in {name}"
        self.write(name, text.replace(old, new, 1))

    def complaints(self, env: dict[str, str] | None = None) -> list[str]:
        """Every problem, each as it is printed, without the directory in front."""
        try:
            load_site(self.directory, env or {})
        except ConfigProblems as exc:
            prefix = f"{self.directory}/"
            return [str(problem).removeprefix(prefix) for problem in exc.problems]
        return []


@pytest.fixture
def town(tmp_path: Path) -> SiteFolder:
    return SiteFolder(tmp_path)

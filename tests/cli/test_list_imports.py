"""What a list imports: nothing that only changes, pictures, pages or other sections need.

To import a library costs more than most lists read, so what is counted is modules; `patrol bench
lists` measures the processor time. All lists run in one process of their own, at an empty store.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from patrol.bench.lists import CONFIGURATION_LISTS, STORE_LISTS
from patrol.cli.verbs import VERBS

CliSite = Any  # conftest's
ROOT = Path(__file__).parents[2]
HEAVY = {
    "numpy", "cv2", "av", "onnxruntime", "paho", "fastapi", "uvicorn", "httpx", "jinja2", "argon2",
    "pwdlib", "zxcvbn", "openpyxl", "alembic", "apscheduler", "patrol.settings.load",
    "patrol.settings.site_settings", "patrol.vision", "patrol.web", "patrol.app",
}  # fmt: skip
# Of a section of site.yaml that pydantic judges, or of an argument that Typer has it read.
WITH_PYDANTIC = {"retention", "maintenance list", "health", "people list", "people history"}
MANIFEST_OF_PAGES = "assets list"  # in patrol.web: run last, as modules stay imported
ELSEWHERE = {  # lists of another machine's state, or with arguments of their own
    "duty list", "gb catalog", "gb peers", "ticket devices",
}  # fmt: skip
RUN = """
import json, sys
from patrol.cli.root import run
found = {}
for verb in json.loads(sys.argv[2]):
    assert run(["-c", sys.argv[1], *verb.split()]) == 0, verb
    found[verb] = sorted(sys.modules)
print("MODULES " + json.dumps(found))
"""


@pytest.fixture(scope="module")
def light() -> list[str]:
    every = (*STORE_LISTS, *CONFIGURATION_LISTS)
    return sorted(every, key=lambda verb: (verb == MANIFEST_OF_PAGES, verb in WITH_PYDANTIC))


def test_a_list_imports_what_it_shows_alone(cli_site: CliSite, light: list[str]) -> None:
    assert cli_site("db", "upgrade").code == 0
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(cli_site.home / "config"), json.dumps(light)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("MODULES ")]
    found = json.loads(line.removeprefix("MODULES "))
    too_many: dict[str, list[str]] = {}
    for verb in light:
        loaded = set(found[verb])
        may_not = HEAVY if verb in WITH_PYDANTIC else HEAVY | {"pydantic", "structlog"}
        if verb == MANIFEST_OF_PAGES:
            may_not = HEAVY - {"patrol.web"}
        if heavy := sorted(may_not & loaded):
            too_many[verb] = heavy
            break  # it stays imported for all that follow
    assert too_many == {}


def test_every_list_is_measured() -> None:
    lists = {verb for verb in VERBS if verb.split()[-1] == "list"}
    assert lists - ELSEWHERE <= {*STORE_LISTS, *CONFIGURATION_LISTS}

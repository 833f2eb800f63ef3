"""Write a new site: commented settings and tables, units, the broker's files, message schemas.

The files come with the installed package (`patrol/site_files` of the wheel; in a source checkout
`config` and `docs`), so that an installation needs no checkout. In units and broker files the
example's places, /etc/patrol and /opt/patrol/.venv/bin/patrol, become the site's directory and the
program that runs. Nothing that exists is overwritten.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import patrol
from patrol.domain.errors import BadInput
from patrol.files import write_atomically

PACKAGED: Final = Path(patrol.__file__).parent / "site_files"
EXAMPLE_DIRECTORY: Final = "/etc/patrol"
EXAMPLE_PROGRAM: Final = "/opt/patrol/.venv/bin/patrol"
_EXAMPLE_DIRECTORY: Final = re.compile(rf"{EXAMPLE_DIRECTORY}(?=[/\s,\"'}}]|$)", re.MULTILINE)
# What a source checkout has under other names than the wheel: pyproject.toml, force-include.
SITE_FILES: Final[Mapping[str, str]] = {
    "README.md": "config/README.md",
    "site.yaml": "config/site.yaml",
    "rules.yaml": "config/rules.yaml",
    "grids.csv": "config/grids.csv",
    "people.csv": "config/people.csv",
    "cameras.csv": "config/cameras.csv",
    "systemd": "config/systemd",
    "mosquitto": "config/mosquitto",
    "monitoring": "config/monitoring",
    "schemas": "docs/schemas",
    "asyncapi.yaml": "docs/asyncapi.yaml",
}
WITH_PLACES: Final = ("systemd", "mosquitto")
DIRECTORY_MODE: Final = 0o750  # passwords of cameras may stand in the tables
# Unit files quote and expand: a path of other characters would mean something else there.
_PLAIN_PATH: Final = re.compile(r"/[\w./+@-]*")


class SiteNotWritten(BadInput):
    """The site cannot be written there; says which path and what would be right."""


def write_site(directory: Path, *, program: Path) -> list[Path]:
    """Write a new site into `directory`, with units that start `program`; the files written.

    Raises SiteNotWritten (one of the files exists, a path that units cannot name), OSError.
    """
    place = directory.absolute()
    for path in (place, program):
        if not _PLAIN_PATH.fullmatch(str(path)):
            raise SiteNotWritten(
                f"{path}: systemd's units cannot name it, choose a path of letters, digits and"
                " the characters _ . + @ - alone"
            )
    sources = dict(_sources())
    taken = [name for name in sources if (place / name).exists()]
    if place.is_file() or taken:
        raise SiteNotWritten(
            f"{place}: {taken[0] if taken else 'a file'} is there already and is not overwritten,"
            " name another directory"
        )
    place.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    for name, source in sources.items():
        content = source.read_bytes()
        if name.partition("/")[0] in WITH_PLACES:
            content = _with_places(content.decode("utf-8"), place, program).encode()
        (place / name).parent.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        write_atomically(place / name, content)
    return [place / name for name in sources]


def _sources() -> Iterator[tuple[str, Path]]:
    """(name below the site's directory, packaged file) of every file."""
    checkout = PACKAGED.parents[1]
    for name, in_checkout in SITE_FILES.items():
        source = PACKAGED / name if PACKAGED.is_dir() else checkout / in_checkout
        if not source.is_dir():
            yield name, source
            continue
        for file in sorted(source.iterdir()):
            yield f"{name}/{file.name}", file


def _with_places(text: str, directory: Path, program: Path) -> str:
    return _EXAMPLE_DIRECTORY.sub(str(directory), text).replace(EXAMPLE_PROGRAM, str(program))

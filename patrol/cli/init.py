"""`patrol init DIR`: a new site from the files that come with the installed package."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from patrol.administration.site_files import write_site
from patrol.cli.options import AsJson
from patrol.cli.output import console, print_json
from patrol.domain.reader_language import translate


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="新目录。 A new directory.")],
    *,
    as_json: AsJson = False,
) -> None:
    """新建站点目录，带注释。 A new commented site: settings, units, broker files, schemas."""
    files = write_site(directory, program=Path(sys.executable).with_name("patrol"))
    place = directory.absolute()
    if as_json:
        print_json({"ok": True, "directory": str(place), "files": [str(file) for file in files]})
        return
    steps = (
        translate(
            f"# {len(files)} 个文件已写入 {place}。接下来：",
            f"# {len(files)} files are in {place}. Next:",
        ),
        f"patrol -c {place} check",
        f"patrol -c {place} db upgrade",
        f"patrol -c {place} user add NAME --duty admin",
        f"patrol -c {place} run",
    )
    console().print("\n".join(steps), soft_wrap=True, highlight=False, markup=False)

"""The configuration of a town without cameras that answer, for tests of a whole application."""

from pathlib import Path

from patrol.settings import Site, load_site
from tests.support.store import copy_template

EXAMPLE = Path(__file__).parents[2] / "config"


def write_small_site(folder: Path, broker: str = "mqtt://127.0.0.1:9", more: str = "") -> Site:
    """The example's tables, a migrated database, and `more` lines of site.yaml; loaded."""
    for name in ("grids.csv", "people.csv", "cameras.csv"):
        (folder / name).write_bytes((EXAMPLE / name).read_bytes())
    (folder / "site.yaml").write_text(
        f"""
site: {{id: shangba, name: 上坝镇, latitude: 39.6, longitude: 98.75}}
database: sqlite:///{folder}/patrol.db
evidence: {folder}/evidence
objects: false
mqtt: {{url: "{broker}"}}
{more}
""",
        "utf-8",
    )
    copy_template(folder / "patrol.db")
    return load_site(folder, env={})

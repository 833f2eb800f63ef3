"""The broker's own files against people.csv, for `patrol check`.

`mqtt.broker_files` of site.yaml names the directory that the broker reads: a difference there is a
problem. Without it the files beside the configuration are looked at, and a difference is a notice:
perhaps nobody uses them.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from patrol.settings import Problem

if TYPE_CHECKING:
    from patrol.settings import Site

MOST: Final = 20  # lines; whoever has more makes the files anew
BESIDE: Final = "mosquitto"
REMEDY: Final = "`patrol mosquitto write` makes them"


def broker_files(site: "Site", config: Path) -> tuple[list[Problem], list[Problem]]:
    """(problems, notices)."""
    from patrol.mqtt.accounts import ACL, AccountsProblem  # noqa: PLC0415  with the rooms
    from patrol.mqtt.agreement import differences  # noqa: PLC0415  with the rooms

    named = site.settings.mqtt.broker_files
    folder = named or config / BESIDE
    if named is None and not (folder / ACL).is_file():
        return [], []
    try:
        found = differences(folder, site.settings.site.id, site.registry)
    except AccountsProblem:
        return [], []  # told as a row of people.csv (domain.posts)
    said = [Problem(str(one.file), one.line, "accounts", one.words) for one in found]
    if named is not None:
        more = [Problem(str(folder), 1, "accounts", f"and {len(said) - MOST} more; {REMEDY}")]
        return (said if len(said) <= MOST else [*said[:MOST], *more]), []
    said = [one for one in said if one.file.endswith(ACL)]  # passwords lie where the broker is
    if not said:
        return [], []
    words = f"does not agree with people.csv ({len(said)}, the first: {said[0].text}); {REMEDY}"
    return [], [Problem(str(folder / ACL), said[0].line, "accounts", words)]

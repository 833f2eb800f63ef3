"""The chain camera → grid → leader → substitute → village → town, as problems with their lines.

A gap is a problem where a camera hangs on it, and a notice where none does.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from patrol.domain.camera import ConsentState
from patrol.domain.grid import Role
from patrol.domain.posts import post_problems
from patrol.domain.routing import ChainProblem, chain_problems
from patrol.settings import Problem

if TYPE_CHECKING:
    from patrol.settings import Site

LONGEST_CONSENT: Final = timedelta(days=366)  # twelve months, a leap day among them
SOON: Final = timedelta(days=14)


def chains(site: "Site", config: Path) -> tuple[list[Problem], list[Problem]]:
    """(gaps that cameras hang on, gaps that none does)."""
    grids, cameras = _lines(config / "grids.csv"), _lines(config / "cameras.csv")
    hung_on = _hung_on(site)
    problems: list[Problem] = []
    notices: list[Problem] = []
    for gap in chain_problems(site.registry):
        if gap.camera is not None:
            said = _said(config / "cameras.csv", cameras.get(gap.camera, 1), gap)
        else:
            said = _said(config / "grids.csv", grids.get(gap.grid, 1), gap)
        needed = gap.camera is not None or gap.grid in hung_on
        (problems if needed and not _is_maintainer(gap) else notices).append(said)
    return problems, notices


def _hung_on(site: "Site") -> set[str]:
    tree = site.registry.tree
    codes = {camera.grid for camera in site.registry.cameras.values()}
    return {str(grid.code) for code in codes for grid in tree.path_up(code)}


def _is_maintainer(gap: ChainProblem) -> bool:
    return str(Role.MAINTAINER) in gap.what


def _said(path: Path, line: int, gap: ChainProblem) -> Problem:
    who = f"grid {gap.grid}" if gap.camera is None else f"camera {gap.camera}"
    return Problem(str(path), line, "chain", f"{who}: {gap.what}, add them to people.csv")


def _lines(path: Path) -> dict[str, int]:
    """Where each first cell stands; codes hold no commas and no quotes."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {
            line.split(",", 1)[0].strip(' "'): number for number, line in enumerate(file, start=1)
        }


def posts(site: "Site", config: Path) -> tuple[list[Problem], list[Problem]]:
    """(rows of people.csv by which a case does not reach who must have it, rows to look at)."""
    path = config / "people.csv"
    lines = _lines(path)
    problems: list[Problem] = []
    notices: list[Problem] = []
    for one in post_problems(site.registry):
        words = f"person {one.person}: {one.what}"
        said = Problem(str(path), lines.get(one.person, 1), one.column, words)
        (problems if one.grave else notices).append(said)
    return problems, notices


def consents(site: "Site", today: date, config: Path) -> Iterator[Problem]:
    """Consents that hold longer than they may, ran out, or soon will."""
    path = config / "cameras.csv"
    lines = _lines(path)
    for camera in site.registry.cameras.values():
        until = camera.consent.until
        if camera.consent.state is not ConsentState.GRANTED or until is None:
            continue
        if until < today:
            words = f"ran out on {until}, ask the household again"
        elif until > today + LONGEST_CONSENT:
            words = f"{until} is over twelve months away, a consent holds for twelve at most"
        elif until <= today + SOON:
            words = f"runs out on {until}, ask the household again"
        else:
            continue
        yield Problem(str(path), lines.get(camera.id, 1), "consent_until", words)

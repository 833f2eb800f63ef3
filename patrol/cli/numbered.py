"""What ends by its number: a maintenance, a suppression. One verb's body for both."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from patrol.cli.common import bad_input, console, operator, print_json, site_of, store_of

if TYPE_CHECKING:
    from datetime import datetime

    from patrol.store import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How one kind of thing ends, and how that is said."""

    end: "Callable[[UnitOfWork, int, str, datetime], bool]"  # False: there is none that stands
    done: str  # `ended`: the key of `--json`
    done_zh: str
    none: str  # what to say of a number that stands for nothing


def end_by_number(
    context: typer.Context, number: int, ending: Ending, *, by: str, as_json: bool
) -> None:
    """End it, in one transaction; a number that stands for nothing is bad input."""
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms

    who = operator(by)
    with store_of(site_of(context)) as store, store.begin() as uow:
        ended = ending.end(uow, number, who, SystemClock().now())
        uow.commit()
    if not ended:
        bad_input(f"{number}: {ending.none}")
    if as_json:
        print_json({ending.done: number, "by": who})
    else:
        console().print(f"{number} {ending.done_zh} {ending.done}", markup=False)

"""Level I is phoned first and then sent: asking the operator, `patrol phoned`, who is to be rung.

Nothing is ever kept back because nobody could be reached: an urgent case goes out, and its history
says whether somebody was phoned. On a terminal `patrol confirm` asks; a script says `--phoned`.
"""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from patrol.cli.common import AsJson, By, app_of, bad_input, operator, print_json, say_err

if TYPE_CHECKING:
    from patrol.app import App
    from patrol.domain.case import Case
    from patrol.domain.levels import Level


def register(cli: typer.Typer) -> None:
    """Add the verb."""
    cli.command("phoned")(phoned)


def phoned(
    context: typer.Context,
    case: Annotated[str, typer.Argument(metavar="ID", help="案件编号。 A case's id.")],
    *,
    note: Annotated[
        str, typer.Option("--note", help="谁接的、怎么说。 Who answered, what was said.")
    ],
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """登记已电话通知。 Write down that somebody was told by telephone."""
    from patrol.cli.cases import case_document, print_case  # noqa: PLC0415  with the rooms
    from patrol.dispatch import desk  # noqa: PLC0415  with the rooms
    from patrol.domain.case import IllegalMove  # noqa: PLC0415  with the rooms
    from patrol.domain.ids import CaseId  # noqa: PLC0415  with the rooms

    if not note.strip():
        bad_input("--note: is empty, say who answered and what was said")
    with app_of(context) as app:
        try:
            with app.store.begin() as uow:
                now = app.clock.now()
                told = desk.phoned(uow, CaseId(case), by=operator(by), now=now, note=note.strip())
                uow.commit()
        except KeyError:
            bad_input(f"case {case!r}: there is none, `patrol cases` lists them")
        except IllegalMove as exc:
            bad_input(str(exc))
    if as_json:
        print_json(case_document(told))
    else:
        print_case(told, app.site)


def ask_who_was_phoned(app: "App", finding: str, chosen: "Level | None", said: str) -> str:
    """What the operator says of the call; on a terminal it is asked for, once."""
    from patrol.domain.ids import FindingId  # noqa: PLC0415  with the rooms
    from patrol.domain.levels import Level  # noqa: PLC0415  with the rooms

    if said.strip() or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return said
    with app.store.begin_read() as uow:
        level = chosen or uow.findings.get(FindingId(finding)).level
    if level is not Level.URGENT:
        return said
    words = "特急:先电话,后推送。谁接的、怎么说(留空:未打通) Who was phoned (empty: nobody)"
    return str(typer.prompt(words, default="", show_default=False, err=True))


def phone_first(case: "Case", app: "App") -> dict[str, Any] | None:
    """Who is still to be rung about an urgent case; None: nobody, or somebody was."""
    from patrol.domain.case import CaseEvent  # noqa: PLC0415  with the rooms
    from patrol.domain.escalation import step_now  # noqa: PLC0415  with the rooms
    from patrol.domain.levels import Level  # noqa: PLC0415  with the rooms

    rung = any(entry.what is CaseEvent.PHONE for entry in case.entries)
    if case.level is not Level.URGENT or rung:
        return None
    person = app.site.registry.people.get(step_now(case).person)
    if person is None:
        return {"person": None, "name": "", "phone": ""}
    return {"person": person.id, "name": person.name, "phone": person.phone}


def remind(case: "Case", whom: dict[str, Any] | None) -> None:
    """One line on stderr."""
    if whom is None:
        return
    name, number = whom["name"] or "责任人", whom["phone"] or "(无号码 no number)"
    say_err(
        f"特急未电话通知:请致电 {name} {number},再执行 patrol phoned {case.id} --note …"
        " (urgent: phone now)"
    )

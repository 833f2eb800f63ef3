"""`patrol notify test`: one test message by every notifier of `notify:`, and a line about each.

A notifier is one address of a file that `notify:` of site.yaml names: `duty-1`, `duty-2`. Exit code
0: each service took its message; 1: one did not, or was skipped; 2: none is configured, or one can
never work as it is. No line quotes an address.
"""

import os
from collections.abc import Sequence
from itertools import chain
from typing import Annotated

import typer

from patrol.app.integrations import forget_proxies, load_channels
from patrol.app.notification_trial import (
    TrialMessage,
    TrialOutcome,
    TrialResult,
    sections_without_address,
    try_channels,
)
from patrol.cli.options import AsJson, By, operator
from patrol.cli.output import (
    BAD_INPUT,
    FAILED,
    bad_input,
    colon,
    console,
    print_err,
    print_json,
)
from patrol.cli.site import site_of
from patrol.clock import SystemClock
from patrol.domain.ids import PersonId
from patrol.domain.reader_language import translate
from patrol.domain.registry import Person
from patrol.integrations.notifications import NotificationChannel
from patrol.settings import Site


def send_test_messages(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help="只试这些，默认全部。 These alone; all if left out."
        ),
    ] = None,
    *,
    person: Annotated[
        str,
        typer.Option(
            "--person",
            metavar="ID",
            help="短信试发给谁（人员表编号）。 Whose number fills {phone}, by people.csv.",
        ),
    ] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """每个通知渠道试发一条，逐个报告结果。 One test message by every notifier; a line for each."""
    site = site_of(context)
    wanted, channels = names or [], load_channels(site.settings)
    empty = list(sections_without_address(site.settings))
    _check_names(wanted, [*map(_names_of, channels), *((one.notifier,) for one in empty)])
    chosen = [channel for channel in channels if _is_chosen(_names_of(channel), wanted)]
    empty = [one for one in empty if _is_chosen((one.notifier,), wanted)]
    message = _message(site, _person(site, person), operator(by))
    forget_proxies(os.environ)
    results: list[TrialResult] = []
    for result in chain(try_channels(chosen, message), empty):
        results.append(result)
        if not as_json:
            _print_result(result)
    code = _exit_code(results)
    if as_json:
        print_json({"ok": code == 0, "notifiers": [_document(one) for one in results]})
    if code:
        raise typer.Exit(code)


def _check_names(names: Sequence[str], known: Sequence[Sequence[str]]) -> None:
    if not known:
        bad_input(
            "site.yaml: notify: no notifier is configured, name a file of addresses there"
            " (docs/operations.md, The second channel)"
        )
    for name in names:
        if not any(name in one for one in known):
            given = ", ".join(one[0] for one in known)
            bad_input(f"notifier {name!r}: there is none of this name, give one of {given}")


def _names_of(channel: NotificationChannel) -> tuple[str, str]:
    """What a person may call it: its own name (`duty-2`), its section's (`duty`)."""
    return channel.name, channel.name.rpartition("-")[0]


def _is_chosen(own: Sequence[str], names: Sequence[str]) -> bool:
    return not names or not set(own).isdisjoint(names)


def _person(site: Site, person_id: str) -> Person | None:
    if not person_id:
        return None
    person = site.registry.people.get(PersonId(person_id))
    if person is None:
        bad_input(f"--person {person_id!r}: not in people.csv, give a person_id of it")
    if not person.phone:
        bad_input(f"--person {person_id!r}: people.csv has no phone, fill it in")
    return person


def _message(site: Site, person: Person | None, sender: str) -> TrialMessage:
    now = SystemClock().now()
    name, at = site.settings.site.name, f"{now.astimezone(site.settings.site.tz):%Y-%m-%d %H:%M}"
    return TrialMessage(
        title=translate(f"【巡查测试】{name}", f"[Patrol test] {name}"),
        body=translate(
            f"这是一条测试消息，无需处理。{at}，由 {sender} 发出。",
            f"This is a test message; nothing is to be done. Sent by {sender} at {at}.",
        ),
        person=str(person.id) if person else "",
        phone=person.phone if person else "",
        sent_at=now,
    )


def _print_result(result: TrialResult) -> None:
    text = _outcome_text(result.outcome)
    if result.outcome is TrialOutcome.SENT:
        console().print(f"✓ {result.notifier}{colon()}{text}", markup=False, soft_wrap=True)
    else:
        print_err(f"{result.notifier}{colon()}{text}{colon()}{result.problem}")


def _document(result: TrialResult) -> dict[str, object]:
    return {
        "notifier": result.notifier,
        "outcome": str(result.outcome),
        "problem": result.problem or None,
    }


def _exit_code(results: list[TrialResult]) -> int:
    outcomes = {result.outcome for result in results}
    if TrialOutcome.UNUSABLE in outcomes:
        return BAD_INPUT
    return FAILED if outcomes - {TrialOutcome.SENT} else 0


def _outcome_text(outcome: TrialOutcome) -> str:
    match outcome:
        case TrialOutcome.SENT:
            return translate("已送交", "handed over")
        case TrialOutcome.FAILED:
            return translate("未送达", "not sent")
        case TrialOutcome.SKIPPED:
            return translate("已跳过", "skipped")
        case TrialOutcome.UNUSABLE:
            return translate("配置不可用", "cannot work as configured")

"""The one-time link in a case's message: by the schema, one a grid, the same when repeated."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from patrol.domain.ids import Sha256
from patrol.domain.picture_link import LinkSigner, read_token
from simulators import small_site
from tests.support.case_system import CaseSystem

Checker = Callable[[str, bytes], dict[str, Any]]
MAKER = LinkSigner(base_url="https://p.example", key=b"a key", lasts=timedelta(hours=72))


def links(case_system: CaseSystem, case: Any, now: Any) -> list[str]:
    wire = replace(case_system.payload_builder, link_signer=MAKER)
    return [json.loads(m.payload)["picture"]["link"] for m in wire.case_messages(case, now)]


def test_the_message_carries_the_link_and_no_more(
    case_system: CaseSystem, matches_schema: Checker
) -> None:
    case = case_system.confirm(small_site.finding(picture=Sha256("a" * 64)))
    (message,) = replace(case_system.payload_builder, link_signer=MAKER).case_messages(
        case, small_site.NOON
    )
    body = matches_schema("case", message.payload)
    link = body["picture"]["link"]
    assert link.startswith("https://p.example/p/")
    read = read_token(link.rpartition("/")[2], b"a key")
    assert read is not None
    assert (read.case, read.grid, read.revision) == (case.id, small_site.GROUP, case.revision)
    assert b"a key" not in message.payload
    assert "a" * 64 not in message.payload.decode(), "nor the picture's name"


def test_a_repeat_carries_the_same_and_each_grid_its_own(case_system: CaseSystem) -> None:
    case = case_system.confirm(small_site.finding(picture=Sha256("a" * 64)))
    assert links(case_system, case, small_site.NOON) == links(case_system, case, small_site.NOON)
    raised = replace(case, rung=len(case.policy.ladder) - 1)
    per_grid = links(case_system, raised, small_site.NOON)
    assert len(per_grid) == len(set(per_grid)) > 1


def test_without_a_picture_there_is_no_link(
    case_system: CaseSystem, matches_schema: Checker
) -> None:
    case = case_system.confirm(small_site.finding())
    (message,) = replace(case_system.payload_builder, link_signer=MAKER).case_messages(
        case, small_site.NOON
    )
    assert matches_schema("case", message.payload)["picture"] == {"available": False, "link": None}

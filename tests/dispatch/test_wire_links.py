"""The one-time link in a case's message: by the schema, one a grid, the same when repeated."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from patrol.domain.ids import Sha256
from patrol.domain.picture_link import LinkMaker, read_token
from simulators import hamlet

Checker = Callable[[str, bytes], dict[str, Any]]
MAKER = LinkMaker(base_url="https://p.example", key=b"a key", lasts=timedelta(hours=72))


def links(house: Any, case: Any, now: Any) -> list[str]:
    wire = replace(house.wire, links=MAKER)
    return [json.loads(m.payload)["picture"]["link"] for m in wire.case(case, now)]


def test_the_message_carries_the_link_and_no_more(house: Any, matches_schema: Checker) -> None:
    case = house.confirm(hamlet.finding(picture=Sha256("a" * 64)))
    (message,) = replace(house.wire, links=MAKER).case(case, hamlet.NOON)
    body = matches_schema("case", message.payload)
    link = body["picture"]["link"]
    assert link.startswith("https://p.example/p/")
    read = read_token(link.rpartition("/")[2], b"a key")
    assert read is not None
    assert (read.case, read.grid, read.revision) == (case.id, hamlet.GROUP, case.revision)
    assert b"a key" not in message.payload
    assert "a" * 64 not in message.payload.decode(), "nor the picture's name"


def test_a_repeat_carries_the_same_and_each_grid_its_own(house: Any) -> None:
    case = house.confirm(hamlet.finding(picture=Sha256("a" * 64)))
    assert links(house, case, hamlet.NOON) == links(house, case, hamlet.NOON)
    raised = replace(case, rung=len(case.policy.ladder) - 1)
    told = links(house, raised, hamlet.NOON)
    assert len(told) == len(set(told)) > 1


def test_without_a_picture_there_is_no_link(house: Any, matches_schema: Checker) -> None:
    case = house.confirm(hamlet.finding())
    (message,) = replace(house.wire, links=MAKER).case(case, hamlet.NOON)
    assert matches_schema("case", message.payload)["picture"] == {"available": False, "link": None}

"""What stands in the way of people although nobody is missing."""

from dataclasses import replace
from typing import Any

import pytest

from patrol.domain.ids import PersonId
from patrol.domain.registry import Registry
from patrol.domain.routing import staffing_problems
from simulators import small_site


def people(**changes: dict[str, Any]) -> Registry:
    """The hamlet, everybody with an account and a telephone of their own."""
    plain = small_site.registry()
    known = {
        ident: replace(who, mqtt_user=f"u-{ident}", phone=f"138{number:04}")
        for number, (ident, who) in enumerate(plain.people.items())
    }
    changed = {PersonId(who): replace(known[PersonId(who)], **fields)
               for who, fields in changes.items()}  # fmt: skip
    return replace(plain, people={**known, **changed})


def test_a_hamlet_in_order() -> None:
    assert staffing_problems(people()) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"leader": {"mqtt_user": ""}}, [("leader", "mqtt_user", True)], id="leader"),
        pytest.param({"cadre": {"mqtt_user": ""}}, [("cadre", "mqtt_user", False)], id="rung"),
        pytest.param(
            {"leader3": {"mqtt_user": ""}}, [("leader3", "mqtt_user", False)], id="no camera there"
        ),
        pytest.param({"fixer": {"mqtt_user": ""}}, [], id="on no ladder of scenes"),
        pytest.param(
            {"cadre": {"phone": "138-0003"}}, [("leader", "phone", False)], id="one ladder, 0003"
        ),
        pytest.param(
            {"leader2": {"phone": "138 0003"}}, [], id="one person may lead two groups"
        ),
        pytest.param(
            {"leader": {"mqtt_user": "u-fixer"}}, [("leader", "mqtt_user", True)], id="two roles"
        ),
        pytest.param(
            {"leader2": {"mqtt_user": "u-leader"}}, [("leader2", "mqtt_user", True)], id="account"
        ),
        pytest.param(
            {
                "leader": {"substitute_for": PersonId("party")},
                "party": {"substitute_for": PersonId("worker")},
            },
            [("leader", "substitute_for", True)],
            id="a round of three",
        ),
    ],
)  # fmt: skip
def test_what_is_found(
    changes: dict[str, dict[str, Any]], expected: list[tuple[str, str, bool]]
) -> None:
    found = [(one.person, one.column, one.grave) for one in staffing_problems(people(**changes))]
    assert found == expected

"""Suppressions, the ranked queue and new normals, from the command line on a real store."""

from typing import Any

Desk = Any  # conftest's


def test_a_dismissal_is_listed_and_can_be_taken_back(desk: Desk) -> None:
    desk.seed_round()
    assert desk("suppressions", "--json").document == []
    assert "无 none" in desk("suppressions").out
    assert desk("dismiss", "F000001", "--reason", "shadow", "--by", "甲").code == 0
    (standing,) = desk("suppressions", "--json").document
    assert {k: standing[k] for k in ("id", "camera", "kind", "box", "owner", "held")} == {
        "id": 1,
        "camera": "62090204011327000001",
        "kind": "blocking_vehicle",
        "box": None,
        "owner": "甲",
        "held": 0,
    }
    assert "shadow (甲)" in desk("suppressions").out
    assert desk("suppress", "revoke", "1", "--by", "乙", "--json").document == {
        "revoked": 1,
        "by": "乙",
    }
    assert desk("suppressions", "--json").document == []
    (revoked,) = desk("suppressions", "--all", "--json").document
    assert (revoked["standing"], revoked["revoked_by"]) == (False, "乙")
    again = desk("suppress", "revoke", "1")
    assert again.code == 2
    assert len(again.err.splitlines()) == 1


def test_the_queue_says_why_each_stands_where_it_stands(desk: Desk) -> None:
    desk.seed_round(2)
    first, second = desk("queue", "--json").document
    assert (first["id"], second["id"]) == ("F000001", "F000002")
    assert "把握 82%" in first["rank_why"]
    assert "把握" in desk("queue").out
    assert desk("dismiss", "F000001", "--reason", "other").code == 0
    (left,) = desk("queue", "--json").document
    assert "以往 0/1 属实" in left["rank_why"]

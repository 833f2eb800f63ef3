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

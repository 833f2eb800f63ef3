"""The duty desk's moves as a user meets them: asked by one, granted by another."""

import json
from typing import Any

Desk = Any  # conftest.Desk; test folders are no packages


def opened(desk: Desk) -> str:
    desk.seed_round()
    confirmed = desk("confirm", "F000001", "--by", "zhang", "--json")
    assert confirmed.code == 0, confirmed.err
    return str(json.loads(confirmed.out)["id"])


def test_time_is_asked_for_by_one_and_granted_by_another(desk: Desk) -> None:
    case = opened(desk)
    asked = desk("extend", case, "--hours", "7", "--why", "等配件", "--by", "zhang", "--json")
    assert json.loads(asked.out)["request"]["hours"] == 7.0
    own = desk("grant", case, "--by", "zhang")
    assert own.code == 2
    assert "somebody else" in own.err
    granted = desk("grant", case, "--by", "wang", "--json")
    assert json.loads(granted.out)["request"] is None
    assert json.loads(granted.out)["due"] > json.loads(asked.out)["due"]
    assert [event["what"] for event in json.loads(granted.out)["events"]][-2:] == ["ask", "grant"]


def test_an_urgent_case_names_whom_to_phone_until_somebody_was(desk: Desk) -> None:
    desk.spoil("people.csv", "L1,网格长,grid_leader,620902104203001,L1,,",
               "L1,网格长,grid_leader,620902104203001,L1,13800000001,")  # fmt: skip
    desk.seed_round()
    made = desk("confirm", "F000001", "--level", "I", "--json")
    case = made.document["id"]
    assert made.document["phone_first"] == {
        "person": "L1", "name": "网格长", "phone": "13800000001"
    }  # fmt: skip
    assert "请致电 网格长 13800000001" in made.err
    assert desk("phoned", case, "--note", " ").code == 2
    told = desk("phoned", case, "--note", "本人接听,马上去", "--by", "zhang", "--json").document
    assert told["events"][-1] | {"at": ""} == {
        "at": "", "by": "zhang", "what": "phone", "note": "本人接听,马上去", "state": "dispatched"
    }  # fmt: skip
    (message,) = desk("case", case, "--json").document["messages"]
    assert (message["grid"], message["clears"]) == ("620902104203001", False)
    assert message["opened"] is None
    assert "推送回执 messages" in desk("case", case).out


def test_suspended_resumed_and_voided(desk: Desk) -> None:
    case = opened(desk)
    desk("suspend", case, "--why", "大雪封路", "--by", "zhang")
    assert (
        json.loads(desk("grant", case, "--by", "wang", "--json").out)["suspended_since"] is not None
    )
    assert (
        json.loads(desk("unsuspend", case, "--by", "wang", "--json").out)["suspended_since"] is None
    )
    desk("void", case, "--why", "重复", "--by", "zhang")
    refused = desk("refuse", case, "--why", "不重复", "--by", "wang", "--json")
    assert json.loads(refused.out)["state"] == "dispatched"
    desk("void", case, "--why", "确实重复", "--by", "zhang")
    assert json.loads(desk("grant", case, "--by", "wang", "--json").out)["state"] == "voided"


def test_what_cannot_be_done_is_said_in_one_line(desk: Desk) -> None:
    case = opened(desk)
    for arguments, says in (
        (("grant", case), "nothing was asked for"),
        (("unsuspend", case), "not suspended"),
        (("verify", case, "--gone"), "verify is not possible"),
        (("close", case, "--why", "x"), "not possible"),
        (("reassign", case, "--to", "123"), "not in grids.csv"),
        (("extend", case, "--hours", "0", "--why", "x"), "at most 30 d"),
        (("grant", "C20000101-0001"), "there is none"),
    ):
        said = desk(*arguments)
        assert (said.code, len(said.err.strip().splitlines())) == (2, 1), arguments
        assert says in said.err

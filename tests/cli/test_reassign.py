"""Actions on a case: one person requests, another one grants."""

import json
from typing import Any

CliSite = Any  # conftest.Desk; test folders are no packages


def opened(cli_site: CliSite) -> str:
    cli_site.seed_round()
    confirmed = cli_site("confirm", "F000001", "--by", "zhang", "--json")
    assert confirmed.code == 0, confirmed.err
    return str(json.loads(confirmed.out)["id"])


def test_time_is_asked_for_by_one_and_granted_by_another(cli_site: CliSite) -> None:
    case = opened(cli_site)
    asked = cli_site("extend", case, "--hours", "7", "--why", "等配件", "--by", "zhang", "--json")
    assert json.loads(asked.out)["request"]["hours"] == 7.0
    own = cli_site("grant", case, "--by", "zhang")
    assert own.code == 2
    assert "somebody else" in own.err
    granted = cli_site("grant", case, "--by", "wang", "--json")
    assert json.loads(granted.out)["request"] is None
    assert json.loads(granted.out)["due"] > json.loads(asked.out)["due"]
    assert [event["what"] for event in json.loads(granted.out)["events"]][-2:] == ["ask", "grant"]


def test_an_extension_is_previewed_without_being_asked_for(cli_site: CliSite) -> None:
    case = opened(cli_site)
    preview = cli_site("case", case, "--extended-by", "48", "--json")
    assert preview.code == 0, preview.err
    assert cli_site("case", case, "--json").document["events"][-1]["what"] != "ask"
    shown = cli_site("case", case, "--extended-by", "48")
    assert "48 小时办公时间" in shown.out
    assert "→" in shown.out
    asked = cli_site("extend", case, "--hours", "48", "--why", "等配件", "--by", "zhang", "--json")
    document = asked.document
    assert document["request"]["office_hours"] is True
    assert preview.document["extension"]["office_hours"] is True
    minute = slice(0, 16)  # both are of now
    assert (
        document["request"]["close_if_granted"][minute]
        == preview.document["extension"]["close"][minute]
    )
    page = cli_site("case", case).out
    assert "48 小时办公时间" in page
    assert "如批准办结时限" in page
    assert cli_site("case", case, "--extended-by", "0").code == 2
    assert cli_site("case", "C20990101-0001", "--extended-by", "4").code == 2


def test_an_urgent_case_names_whom_to_phone_until_somebody_was(cli_site: CliSite) -> None:
    cli_site.spoil("people.csv", "L1,网格长,grid_leader,620902104203001,L1,,",
               "L1,网格长,grid_leader,620902104203001,L1,13800000001,")  # fmt: skip
    cli_site.seed_round()
    made = cli_site("confirm", "F000001", "--level", "I", "--json")
    case = made.document["id"]
    assert made.document["phone_first"] == {
        "person": "L1", "name": "网格长", "phone": "13800000001"
    }  # fmt: skip
    assert "请致电 网格长 13800000001" in made.err
    assert cli_site("phoned", case, "--note", " ").code == 2
    document = cli_site(
        "phoned", case, "--note", "本人接听,马上去", "--by", "zhang", "--json"
    ).document
    assert document["events"][-1] | {"at": ""} == {
        "at": "", "by": "zhang", "what": "phone", "note": "本人接听,马上去", "state": "dispatched"
    }  # fmt: skip
    (message,) = cli_site("case", case, "--json").document["messages"]
    assert (message["grid"], message["clears"]) == ("620902104203001", False)
    assert message["opened"] is None
    assert "推送回执" in cli_site("case", case).out


def test_suspended_resumed_and_voided(cli_site: CliSite) -> None:
    case = opened(cli_site)
    cli_site("suspend", case, "--why", "大雪封路", "--by", "zhang")
    assert (
        json.loads(cli_site("grant", case, "--by", "wang", "--json").out)["suspended_since"]
        is not None
    )
    assert (
        json.loads(cli_site("unsuspend", case, "--by", "wang", "--json").out)["suspended_since"]
        is None
    )
    cli_site("void", case, "--why", "重复", "--by", "zhang")
    refused = cli_site("refuse", case, "--why", "不重复", "--by", "wang", "--json")
    assert json.loads(refused.out)["state"] == "dispatched"
    cli_site("void", case, "--why", "确实重复", "--by", "zhang")
    assert json.loads(cli_site("grant", case, "--by", "wang", "--json").out)["state"] == "voided"


def test_what_cannot_be_done_is_bad_input_in_one_line(cli_site: CliSite) -> None:
    case = opened(cli_site)
    for arguments, message in (
        (("grant", case), "nothing was asked for"),
        (("unsuspend", case), "not suspended"),
        (("verify", case, "--gone"), "verify is not possible"),
        (("close", case, "--why", "x"), "not possible"),
        (("reassign", case, "--to", "123"), "not in grids.csv"),
        (("extend", case, "--hours", "0", "--why", "x"), "at most 30 d"),
        (("extend", case, "--hours", "nan", "--why", "x"), "--hours nan: an extension is"),
        (("extend", case, "--hours", "inf", "--why", "x"), "--hours inf: an extension is"),
        (("extend", case, "--hours", "1e300", "--why", "x"), "--hours 1e+300: an extension is"),
        (("grant", "C20000101-0001"), "there is none"),
    ):
        ended = cli_site(*arguments)
        assert (ended.code, len(ended.err.strip().splitlines())) == (2, 1), arguments
        assert message in ended.err

"""Doubts, verdicts, ad-hoc rounds and the files of a report, as a user meets them."""

import csv
import io
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from patrol.domain.case import CaseEvent
from patrol.domain.finding import FindingRecheck
from patrol.domain.ids import CaseId, FindingId, Sha256
from patrol.store import open_store

AFTER = Sha256("a" * 64)


def test_a_doubt_says_what_comes_of_it_and_what_came(cli_site: Any) -> None:
    cli_site.seed_round()
    document = cli_site("unsure", "F000001", "--reason", "太暗", "--by", "甲", "--json").document
    assert (document["state"], document["again"]) == ("unsure", None)
    with open_store(cli_site.database) as store, store.begin() as uow:
        doubted = uow.findings.get(FindingId("F000001"))
        at = (doubted.decided_at or doubted.found_at) + timedelta(seconds=20)
        again = FindingRecheck(at=at, why="已复看,仍检出", picture=AFTER)
        uow.findings.put(replace(doubted, recheck=again))
        uow.commit()
    (line,) = cli_site("queue", "--json").document
    assert (line["again"]["why"], line["again"]["picture"]) == ("已复看,仍检出", AFTER)
    assert "已复看" in line["rank_why"]
    wrapped = re.sub(r"[\s│]", "", cli_site("queue").out)
    assert "已复看" in wrapped
    second = cli_site("unsure", "F000001", "--by", "乙")
    assert (second.code, len(second.err.splitlines())) == (1, 1)
    assert "甲" in second.err, "who was first, and when"


def test_cases_that_wait_for_a_verdict(cli_site: Any) -> None:
    cli_site.seed_round()
    case = cli_site("confirm", "F000001", "--json").document["id"]
    assert cli_site("cases", "--to-verify", "--json").document == []
    refused = cli_site("verify", case, "--gone")
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    with open_store(cli_site.database) as store, store.begin() as uow:
        known = uow.cases.get(CaseId(case))
        at = known.dispatched_at + timedelta(minutes=9)
        fed = known.apply_event(CaseEvent.FEED_BACK, at=at, by="leader")
        looked = fed.apply_event(CaseEvent.LOOKED, at=at, by="patrol", note="机器未再检出")
        uow.cases.put(replace(looked, after=AFTER, ladder_due_at=None))
        uow.commit()
    (waits,) = cli_site("cases", "--to-verify", "--json").document
    assert waits["id"] == case
    verdict = waits["verdict"]
    assert (verdict["after"], verdict["machine"], verdict["light"]) == (
        AFTER, "机器未再检出", "green",
    )  # fmt: skip
    assert "机器未再检出" in cli_site("case", case).out
    assert "核查" in cli_site("cases", "--to-verify").out
    done = cli_site("verify", case, "--still-there", "--by", "甲", "--json").document
    assert (done["state"], done["verdict"]) == ("rework", None)
    assert cli_site("cases", "--to-verify", "--json").document == []


@pytest.mark.slow
def test_a_round_over_one_camera(cli_site: Any) -> None:
    cli_site.seed_round()
    ended = cli_site("round", "--camera", "000001", "--json")
    assert ended.code == 0
    summary = ended.document
    assert (summary["plan"], summary["planned"]) == ("adhoc", 1)
    assert summary["scope"] == "camera 62090204011327000001"
    assert summary["round"].split("-")[1] == "adhoc"


def test_a_month_for_the_notice_board_and_a_table_as_csv(cli_site: Any) -> None:
    cli_site.seed_round()
    month = ("report", "--month", "2026-11", "--out")
    assert cli_site(*month, str(cli_site.home / "m.html"), "--public").code == 0
    page = (cli_site.home / "m.html").read_text("utf-8")
    assert "公开" in page
    assert "62090204" not in page
    path = cli_site.home / "f.csv"
    assert cli_site(*month, str(path), "--format", "csv", "--part", "figures").code == 0
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
    assert {"漏检率（盲抽）", "人工复核率", "最长未巡见"} <= {row["指标"] for row in rows}

"""Doubts, verdicts, ad-hoc rounds and the files of a report, as a user meets them."""

import csv
import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from patrol.domain.case import CaseEvent
from patrol.domain.finding import SecondSight
from patrol.domain.ids import CaseId, FindingId, Sha256
from patrol.store import open_store

AFTER = Sha256("a" * 64)


def test_a_doubt_says_what_comes_of_it_and_what_came(desk: Any) -> None:
    desk.seed_round()
    said = desk("unsure", "F000001", "--reason", "太暗", "--by", "甲", "--json").document
    assert (said["state"], said["again"]) == ("unsure", None)
    with open_store(desk.database) as store, store.begin() as uow:
        doubted = uow.findings.get(FindingId("F000001"))
        at = (doubted.decided_at or doubted.found_at) + timedelta(seconds=20)
        again = SecondSight(at=at, why="已复看,仍检出", picture=AFTER)
        uow.findings.put(replace(doubted, again=again))
        uow.commit()
    (line,) = desk("queue", "--json").document
    assert (line["again"]["why"], line["again"]["picture"]) == ("已复看,仍检出", AFTER)
    assert "已复看" in line["rank_why"]
    assert "已复看,仍检出" in desk("queue").out
    second = desk("unsure", "F000001", "--by", "乙")
    assert (second.code, len(second.err.splitlines())) == (1, 1)
    assert "甲" in second.err, "who was first, and when"


def test_cases_that_wait_for_a_verdict(desk: Any) -> None:
    desk.seed_round()
    case = desk("confirm", "F000001", "--json").document["id"]
    assert desk("cases", "--to-verify", "--json").document == []
    refused = desk("verify", case, "--gone")
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    with open_store(desk.database) as store, store.begin() as uow:
        known = uow.cases.get(CaseId(case))
        at = known.dispatched_at + timedelta(minutes=9)
        fed = known.move(CaseEvent.FEED_BACK, at=at, by="leader")
        looked = fed.move(CaseEvent.LOOKED, at=at, by="patrol", note="机器未再检出")
        uow.cases.put(replace(looked, after=AFTER, ladder_due_at=None))
        uow.commit()
    (waits,) = desk("cases", "--to-verify", "--json").document
    assert waits["id"] == case
    verdict = waits["verdict"]
    assert (verdict["after"], verdict["machine"], verdict["light"]) == (
        AFTER, "机器未再检出", "green",
    )  # fmt: skip
    assert "机器未再检出" in desk("case", case).out
    assert "核查" in desk("cases", "--to-verify").out
    done = desk("verify", case, "--still-there", "--by", "甲", "--json").document
    assert (done["state"], done["verdict"]) == ("rework", None)
    assert desk("cases", "--to-verify", "--json").document == []


@pytest.mark.slow
def test_a_round_over_one_camera(desk: Any) -> None:
    desk.seed_round()
    ended = desk("round", "--camera", "000001", "--json")
    assert ended.code == 0
    summary = ended.document
    assert (summary["plan"], summary["planned"]) == ("adhoc", 1)
    assert summary["scope"] == "camera 62090204011327000001"
    assert summary["round"].split("-")[1] == "adhoc"


def test_a_month_for_the_notice_board_and_a_table_as_csv(desk: Any) -> None:
    desk.seed_round()
    month = ("report", "--month", "2026-11", "--out")
    assert desk(*month, str(desk.home / "m.html"), "--public").code == 0
    page = (desk.home / "m.html").read_text("utf-8")
    assert "公开" in page
    assert "62090204" not in page
    path = desk.home / "f.csv"
    assert desk(*month, str(path), "--format", "csv", "--part", "figures").code == 0
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
    assert {"漏检率(盲抽)", "人工复核率", "最长未巡见"} <= {row["指标"] for row in rows}

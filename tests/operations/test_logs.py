"""Log lines: JSON for collectors, and no secret in either shape."""

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import structlog

from patrol.domain.reader_language import reader_language, set_reader_language
from patrol.logs import configure, redact_text, set_log_zone

SECRETS = [
    pytest.param("rtsp://viewer:s3cret@10.0.0.7/live", id="an address"),
    pytest.param("rtsp://viewer:s3c@ret/s3cret@10.0.0.7/live", id="an odd password"),
    pytest.param("https://x.test/hook?a=1&access_token=s3cret&b=2", id="a parameter"),
    pytest.param("Authorization: Bearer s3cret-s3cret-s3cret", id="a header"),
    pytest.param("patrol_s3cret_s3cret_s3cret_s3cret", id="an API key"),
]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before, handlers = structlog.get_config(), list(logging.getLogger().handlers)
    language = reader_language()
    yield
    set_reader_language(language)
    set_log_zone(None)
    structlog.configure(**before)
    logging.getLogger().handlers[:] = handlers


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("for_people", [True, False])
def test_no_secret_gets_out(secret: str, *, for_people: bool) -> None:
    out = io.StringIO()
    configure(out, logging.INFO, for_people=for_people)
    log = structlog.get_logger("x")
    log.warning("not seen", reason=secret, password="s3cret", tries=3)
    log.warning(secret)
    logging.getLogger("stranger").warning("said %s", secret)
    logging.getLogger("stranger").warning("said", extra={"reason": secret})
    text = out.getvalue()
    assert text.count("\n") == 4
    assert "s3cret" not in text
    assert "tries" in text


def test_each_line_is_an_object_that_says_when_how_bad_and_what() -> None:
    out = io.StringIO()
    configure(out, logging.INFO, for_people=False)
    structlog.get_logger("x").info("多行\n文字", camera="1", ok=True, at=None)
    (line,) = lines(out)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "多行\n文字", "level": "info", "camera": "1", "ok": True, "at": None}


def test_a_list_stays_a_list_without_secrets() -> None:
    out = io.StringIO()
    configure(out, logging.INFO, for_people=False)
    structlog.get_logger("x").info("refused", messages=["a", "rtsp://u:s3cret@h/1"], at=(1, None))
    (line,) = lines(out)
    assert (line["messages"], line["at"]) == (["a", "rtsp://…@h/1"], [1, None])


def test_a_traceback_is_one_line_without_local_variables() -> None:
    out = io.StringIO()
    configure(out, logging.INFO, for_people=False)
    local = "a-local-value"
    try:
        int("rtsp://viewer:s3cret@10.0.0.7")
    except ValueError:
        structlog.get_logger("x").exception("it broke")
    (line,) = lines(out)
    assert "ValueError" in line["exception"]
    assert local not in out.getvalue()
    assert "s3cret" not in out.getvalue()


def test_configured_twice_it_still_says_things_once() -> None:
    out = io.StringIO()
    for _ in range(2):
        configure(out, logging.WARNING, for_people=False)
    logging.getLogger("stranger").warning("once")
    logging.getLogger("stranger").info("libraries talk")
    structlog.get_logger("x").info("below the level")
    assert [line["event"] for line in lines(out)] == ["once"]


@pytest.mark.parametrize("plain", ["12:30 a@b", "key=1", "https://x.test/a?page=2", "basic rules"])
def test_ordinary_words_stay(plain: str) -> None:
    assert redact_text(plain) == plain


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "zh",
            "[注意] 未执行 原因=没有这个文件：a.csv，请建立 状态码=404 须完成=2026-11-22 12:30:00",
        ),
        (
            "en",
            "not done finish_by=2026-11-22 12:30:00 reason=no such file: a.csv, create it",
        ),
    ],
)
def test_people_read_their_language_and_the_sites_clock(language: str, said: str) -> None:
    set_reader_language(language)
    set_log_zone(ZoneInfo("Asia/Shanghai"))
    out = io.StringIO()
    configure(out, logging.INFO, for_people=True)
    structlog.get_logger("x").warning(
        "not done", reason="no such file: a.csv, create it", status=404,
        finish_by="2026-11-22T04:30:00Z",
    )  # fmt: skip
    line = re.sub(" +", " ", out.getvalue()).replace("'", "")
    assert said in line
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[", line)
    assert "T0" not in line


def test_a_collector_reads_english_and_utc_whoever_reads() -> None:
    set_reader_language("zh")
    set_log_zone(ZoneInfo("Asia/Shanghai"))
    out = io.StringIO()
    configure(out, logging.INFO, for_people=False)
    structlog.get_logger("x").warning("not done", finish_by="2026-11-22T04:30:00Z")
    (line,) = lines(out)
    assert (line["event"], line["finish_by"]) == ("not done", "2026-11-22T04:30:00Z")
    assert line["timestamp"].endswith("Z")

"""The message catalogue: templates within templates, what stands before a text, hostile texts."""

import re

import pytest

from patrol.domain.problem_texts import catalogue_entries, problem_text

HOLES = {"{}": "'q'", "{{": "{", "}}": "}"}


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("--out: /a/b: no such directory, make it first", "--out：/a/b：没有这个目录，请先建立"),
        ("/x/y: No such file or directory", "/x/y：没有这个文件或目录"),
        ("127.0.0.1:9: connection refused", "127.0.0.1:9：连接被拒绝"),
        ("连不上：a: connection refused", "连不上：a：连接被拒绝"),
        ("case C-1 is dispatched: verify is not possible", "案件 C-1 现为待签收：不能核查通过"),
        (
            "site.yaml:3: mqtt.port: 'x' is not a whole number",
            "site.yaml:3：mqtt.port：'x' 不是整数",
        ),
        (
            "a.yaml:6: database: scheme 'pg' does not name the driver, write postgresql+psycopg://",
            "a.yaml:6：database：'pg' 没有写明驱动，写 postgresql+psycopg://",
        ),
        (
            "sources.yaml has no 'sin' under vendors, known: sim",
            "sources.yaml 没有 'sin'（在 vendors 之下），可用：sim",
        ),
        (
            "no camera of this round may be visited: indoor 1; consent pending 3",
            "本轮没有可查看的摄像头：室内 1；待同意 3",
        ),
    ],
)
def test_a_text_is_shown_in_chinese(english: str, chinese: str) -> None:
    assert problem_text(english, "zh") == chinese
    assert problem_text(english, "en") == english


def test_a_place_before_a_text_changes_nothing_of_it() -> None:
    """As `FILE:LINE: field: problem`, whatever words the problem begins with."""
    changed = []
    for english, _ in catalogue_entries():
        text = re.sub("{{|}}|{}", lambda found: HOLES[found.group()], english)
        alone = problem_text(text, "zh")
        behind = problem_text(f"/a/site.yaml:4: database: {text}", "zh")
        if not english.startswith("{}") and not behind.endswith(f"：{alone}"):
            changed.append((text, behind))
    assert changed == []


def test_every_line_for_itself_and_an_unknown_one_as_it_is() -> None:
    text = "nobody knows this line\n/x: Permission denied"
    assert problem_text(text, "zh") == "nobody knows this line\n/x：没有权限"


@pytest.mark.parametrize(
    "text",
    [
        "a: " * 1300, "x" * 100_000, "is not " * 500, "； ： " * 900,
        "ab: " * 990, "is not: " * 490, "cannot be read: x; " * 200, "ab; " * 900,
    ],
)  # fmt: skip
def test_a_hostile_text_comes_back(text: str) -> None:
    assert problem_text(text, "zh")

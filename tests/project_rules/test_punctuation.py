"""Chinese texts have Chinese punctuation (GB/T 15834): pages, scripts, command line, documents."""

from pathlib import Path

import pytest

from tests.support.punctuation import full_width, is_chinese, mended

ROOT = Path(__file__).parents[2]
DOCUMENTS = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))
FILES = [
    *sorted(
        path for path in (ROOT / "patrol").rglob("*") if path.suffix in {".py", ".html", ".js"}
    ),
    *(path for path in DOCUMENTS if path.name != "CHANGELOG.md"),
]


def test_every_text_has_its_own_punctuation() -> None:
    """`python -m tests.support.punctuation patrol README.zh-CN.md docs/…` mends what this names."""
    assert len(FILES) > 400
    wrong = [str(path.relative_to(ROOT)) for path in FILES if mended(path) != path.read_text()]
    assert wrong == []


@pytest.mark.parametrize(
    ("given", "mended_text"),
    [
        ("已暂停,原因:检修", "已暂停，原因：检修"),
        ("恢复(自动)?", "恢复（自动）？"),
        ("时间 09:30, 地点 A", "时间 09:30，地点 A"),
        ("看 rtsp://用户:口令@主机/路径,再试", "看 rtsp://用户:口令@主机/路径，再试"),
        ("in zone 渠边", "in zone 渠边"),
        ("nothing, at all", "nothing, at all"),
    ],
)
def test_marks_beside_chinese_words_are_full_width(given: str, mended_text: str) -> None:
    assert full_width(given) == mended_text


def test_what_stands_in_braces_is_code() -> None:
    assert full_width("{t('中', 'a')}:{who}已到", holes=True) == "{t('中', 'a')}:{who}已到"
    assert full_width("{who}, {where}: 已到", holes=True) == "{who}，{where}：已到"


def test_a_chinese_text_is_one_with_more_chinese_than_other_words() -> None:
    assert is_chinese("改用 RTSP 地址")
    assert not is_chinese("Supervision (督办) of a case")

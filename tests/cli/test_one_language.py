"""The command line speaks one language: that of the environment; times are the site's."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from patrol.cli.help_text import help_in_language, translate_texts, usage_error
from patrol.cli.root import LazyVerb, command_tree
from patrol.domain.reader_language import language_of, set_reader_language, translate
from tests.cli.conftest import CliSite
from tests.support.visible_text import HAN

# Names of protocols, files, formats and programs: the same in both languages.
NAMES = re.compile(
    r"[A-Z][A-Za-z0-9.]*[A-Z0-9]+|[a-z]+(?:\.[a-z]+)+|--?[a-z-]+|[A-Z][a-z]*(?=\s*[:：])|`[^`]+`"
    r"|[a-z]+://\S*|\w+_\w+|Debian|Excel|Ctrl|Python"
)
WORD = re.compile(r"[a-z]{4,}")
KNOWN = {"patrol", "none", "town", "storm", "shadow", "animal", "weather", "mqtt", "webhook",
         "county", "rtsp", "dumping", "accept", "centre", "village", "list", "morning", "config",
         "visits", "site", "yaml", "html", "xlsx", "docx", "json", "sources", "cameras", "models",
         "zones", "people", "grids", "leave", "review", "console", "assets", "unit",
         "quality", "vendors", "written", "iscovery"}  # fmt: skip


@pytest.fixture(autouse=True)
def reader() -> Iterator[None]:
    yield
    set_reader_language("zh")


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "zh"),
        ({"LANG": "C.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, "zh"),
        ({"LANG": "en_US.UTF-8", "PATROL_LANGUAGE": "zh"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "PATROL_LANGUAGE": "en"}, "en"),
        ({"LC_MESSAGES": "en", "LC_ALL": ""}, "en"),
        ({"LANG": "POSIX"}, "zh"),
        ({"LANG": "zh-Hans"}, "zh"),
    ],
)
def test_the_language_is_that_of_the_environment(
    environment: Mapping[str, str], language: str
) -> None:
    assert language_of(environment) == language


def commands(command: Any, path: str = "patrol") -> Iterator[tuple[str, Any]]:
    loaded = command.load() if isinstance(command, LazyVerb) else command
    yield path, loaded
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{path} {name}")


def texts_of(command: Any) -> Iterator[str]:
    yield command.help or ""
    yield from (getattr(option, "help", None) or "" for option in command.params)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_help_shows_the_other_language(language: str) -> None:
    set_reader_language(language)
    wrong = []
    for path, command in commands(command_tree()):
        translate_texts(command)
        for text in texts_of(command):
            rest = NAMES.sub(" ", text)
            words = {*WORD.findall(rest)} - KNOWN if language == "zh" else HAN.findall(rest)
            if words:
                wrong.append((path, text, words))
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "zh"),
    [
        ("No such command 'nonsense'.", "没有命令 nonsense"),
        ("No such option: --jsn (Possible options: --json)", "没有选项 --jsn，相近的有：--json"),
        ("Missing option '--reason'.", "缺少选项 --reason"),
        (
            "Missing option '--duty'. Choose from: operator, admin",
            "缺少 --duty，可选：operator, admin",
        ),
        (
            "Invalid value for '--limit': Input should be a valid integer, unable to parse",
            "'--limit' 的取值不对：须为整数",
        ),
        ("Got unexpected extra argument(s) (x)", "多余的参数：x"),
    ],
)
def test_a_command_line_that_cannot_be_parsed_is_explained(text: str, zh: str) -> None:
    assert usage_error(text) == zh
    set_reader_language("en")
    assert usage_error(text) == text


def test_a_help_is_split_where_its_languages_meet() -> None:
    assert help_in_language("只看 site.yaml。 Only site.yaml.", "zh") == "只看 site.yaml。"
    assert help_in_language("只看 site.yaml。 Only site.yaml.", "en") == "Only site.yaml."
    assert help_in_language("rtsp://…", "en") == "rtsp://…"
    with pytest.raises(ValueError, match="give zh or en"):
        set_reader_language("fr")
    assert translate("是", "yes") == "是"


@pytest.mark.parametrize(
    "line",
    [
        ["queue"], ["cases"], ["health"], ["troubles"], ["suppressions"], ["retention"],
        ["deliveries", "list"], ["maintenance", "list"], ["handover", "list"], ["check"],
        ["finding", "list"], ["human-patrol", "list"], ["overdue"], ["hand-off", "list"],
    ],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_answer_shows_the_other_language(
    line: list[str], language: str, cli_site: CliSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATROL_LANGUAGE", language)
    ended = cli_site(*line)
    assert ended.code in {0, 1}, ended.err
    text = re.sub(r"[^\s]*/[^\s]*|\S*[小一二]\S*", " ", f"{ended.out}\n{ended.err}")  # paths, names
    if language == "en":
        assert not HAN.search(text), text
    else:
        rest = NAMES.sub(" ", text)
        assert not {*WORD.findall(rest)} - KNOWN, text
    assert not re.search(r"\dT\d\d:\d\d.*Z", text)

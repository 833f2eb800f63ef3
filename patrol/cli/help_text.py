"""Help and usage errors of the command line in the reader's language.

A help text holds both languages, `中文。 English.`, and a reader sees one of them. Typer's own
words (panels, "Usage", errors of a command line that cannot be parsed) are English: Chinese readers
get them from the tables here. Imported by the command tree itself, so it imports nothing heavy.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from typer.core import TyperCommand, TyperGroup

from patrol.cli.plain_values import read_plain_value
from patrol.domain.reader_language import reader_language, translate

_BOTH: Final = re.compile(r"^(?P<zh>.*。) (?P<en>[^\u3400-\u9fff]+)$", re.DOTALL)
# Typer's variables for what it puts around texts of ours, with their Chinese.
_PANEL_TEXTS: Final[Mapping[str, str]] = {
    "ARGUMENTS_PANEL_TITLE": "参数",
    "OPTIONS_PANEL_TITLE": "选项",
    "COMMANDS_PANEL_TITLE": "命令",
    "DEFAULT_STRING": "[默认：{}]",
    "REQUIRED_LONG_STRING": "[必填]",
}
_USAGE: Final = "Usage: "
# Messages of Typer and Click about a command line, and what they are in Chinese.
_USAGE_ERRORS: Final = (  # compiled where one is met: a help needs none
    (r"No such option: (.+?)\.? \(Possible options: (.+)\)", r"没有选项 \1，相近的有：\2"),
    (r"No such option: (.+?)\.? Did you mean (.+)\?", r"没有选项 \1，是否为 \2？"),
    (r"No such option: (.+)", r"没有选项 \1"),
    (r"No such command '(.+?)'\. Did you mean (.+)\?", r"没有命令 \1，是否为 \2？"),
    (r"No such command '(.+?)'\.", r"没有命令 \1"),
    (r"Missing command\.", "缺少命令"),
    (r"Missing (?:argument|option) '(.+?)'\. Choose from:\s*(.+)", r"缺少 \1，可选：\2"),
    (r"Missing argument '(.+?)'\.(.*)", r"缺少参数 \1\2"),
    (r"Missing option '(.+?)'\.(.*)", r"缺少选项 \1\2"),
    (r"Got unexpected extra arguments?(?:\(s\))? \((.+)\)", r"多余的参数：\1"),
    (r"Option '(.+?)' requires an argument\.", r"选项 \1 缺少取值"),
    (r"Option '(.+?)' does not take a value\.", r"选项 \1 不带取值"),
    (r"Invalid value for (.+?): (.+)", r"\1 的取值不对：\2"),
    (r"Input should be a valid integer.*", "须为整数"),
    (r"Input should be a valid number.*", "须为数字"),
    (r"Input should be greater than or equal to (.+)", r"须不小于 \1"),
    (r"Input should be less than or equal to (.+)", r"须不大于 \1"),
    (r"(.+) is not a valid (?:int|integer)( range)?\.", r"\1 不是整数"),
    (r"(.+) is not a valid float( range)?\.", r"\1 不是数字"),
    (r"(.+) is not in the range (.+)\.", r"\1 不在范围 \2 内"),
    (r"(.+) is not one of (.+)\.", r"\1 不在可选值内：\2"),
    (r"(File|Directory|Path) (.+) does not exist\.", r"\2 不存在"),
)


def help_in_language(text: str, language: str) -> str:
    """The reader's part of `中文。 English.`; a text of one language as it is."""
    both = _BOTH.fullmatch(text)
    return text if both is None else both[language]


def usage_error(text: str) -> str:
    """A message about a command line that cannot be parsed, in the reader's language."""
    if reader_language() == "en":
        return text
    for pattern, zh in _USAGE_ERRORS:
        if found := re.fullmatch(pattern, text):
            for number, part in enumerate(found.groups(default=""), start=1):
                zh = zh.replace(f"\\{number}", usage_error(part))  # noqa: PLW2901  each is done once
            return zh
    return text


def translate_texts(command: Any) -> None:
    """Put the texts of a command and of its options into the reader's language."""
    language = reader_language()
    if command.help:
        paragraphs = [
            help_in_language(" ".join(one.split()), language) for one in command.help.split("\n\n")
        ]
        command.help = "\n\n".join(paragraphs)
    for option in command.params:
        if getattr(option, "help", None):
            option.help = help_in_language(" ".join(option.help.split()), language)


class _ReaderTexts:
    """Writes Typer's own words of a help in the reader's language; a mixin of its commands."""

    def get_usage(self, ctx: Any) -> str:
        """The line of usage, which Typer begins in English."""
        text: str = super().get_usage(ctx)  # type: ignore[misc]  # of TyperCommand and TyperGroup
        return translate(text.replace(_USAGE, "用法：", 1), text)

    def get_help_option(self, ctx: Any) -> Any:
        """`--help`, with its text."""
        option = super().get_help_option(ctx)  # type: ignore[misc]  # as above
        if option is not None:
            option.help = translate("显示本说明。", "Show this message and exit.")
            read_plain_value(option)
        return option

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help; the panels' titles are variables of Typer's module."""
        if reader_language() == "zh":
            from typer import rich_utils  # noqa: PLC0415  a tenth of a second, for a help alone

            for name, zh in _PANEL_TEXTS.items():
                setattr(rich_utils, name, zh)
        super().format_help(ctx, formatter)  # type: ignore[misc]  # as above


class ReaderCommand(_ReaderTexts, TyperCommand):
    """A verb whose help is in the reader's language."""


class ReaderGroup(_ReaderTexts, TyperGroup):
    """A group of verbs whose help is in the reader's language."""

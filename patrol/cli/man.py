"""`patrol man`: the manual page, made from the command tree in the reader's language.

Every verb with its options and arguments, in the words of its own `--help`: nothing is written
twice, so the page cannot fall behind. The text is roff of man(7) in UTF-8, as `man` reads it:
`patrol man | man -l -`, or into a directory of manuals with `--out`.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from patrol import __version__
from patrol.cli.output import console
from patrol.cli.root import COMPLETION_VARIABLE, LazyVerb, command_tree
from patrol.domain.reader_language import VARIABLES, translate
from patrol.files import write_atomically

PAGE_MODE: Final = 0o644  # every user of the machine may read a manual


def write_manual(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="写入文件，默认标准输出。 A file; stdout if left out."
        ),
    ] = None,
) -> None:
    """手册页（man），由命令树生成。 The manual page, made from the command tree."""
    page = manual_page(command_tree())
    if out is None:
        typer.echo(page, nl=False)
        return
    write_atomically(out, page.encode(), mode=PAGE_MODE)
    console().print(translate(f"已写入 {out}", f"written to {out}"), markup=False, soft_wrap=True)


def manual_page(tree: Any) -> str:
    """The page as roff; `tree` is the command `patrol` (patrol.cli.root.command_tree)."""
    sections = (
        (translate("名称", "NAME"), [f"patrol \\- {_text(_name_line())}"]),
        (translate("用法", "SYNOPSIS"), [".B patrol", "[\\-c DIR] VERB [...]"]),
        (translate("说明", "DESCRIPTION"), [_text(tree.help)]),
        (translate("选项", "OPTIONS"), list(_parameters(tree))),
        (translate("命令", "COMMANDS"), list(_verbs(tree))),
        (translate("退出码", "EXIT STATUS"), list(_pairs(_exit_codes()))),
        (translate("环境变量", "ENVIRONMENT"), list(_pairs(_environment()))),
        (translate("文件", "FILES"), list(_pairs(_files()))),
    )
    lines = [f'.TH PATROL 1 "" "patrol {__version__}" "{translate("巡查", "Patrol")}"']
    for title, body in sections:
        lines.extend((f'.SH "{title}"', *body))
    return "\n".join(lines) + "\n"


def _name_line() -> str:
    return translate("乡镇视频巡查", "patrol rounds over a township's cameras")


def _verbs(tree: Any) -> Iterator[str]:
    """Single verbs by name, then the groups by name with theirs."""
    singles = {name: one for name, one in tree.commands.items() if not hasattr(one, "commands")}
    groups = {name: one for name, one in tree.commands.items() if hasattr(one, "commands")}
    for name, command in sorted(singles.items()):
        yield from _verb(f"patrol {name}", command)
    for group_name, group in sorted(groups.items()):
        yield f'.SS "patrol {_text(group_name)}"'
        yield _text(group.help)
        for name, command in sorted(group.commands.items()):
            yield from _verb(f"patrol {group_name} {name}", command)


def _verb(path: str, listed: Any) -> Iterator[str]:
    command = _loaded(listed)
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join((_bold(path), *map(_text, map(_metavar, arguments))))
    yield ".TP"
    yield usage
    paragraphs = [" ".join(part.split()) for part in (command.help or listed.help).split("\n\n")]
    yield "\n.IP\n".join(map(_text, paragraphs))
    if command.params:
        yield ".RS"
        yield from _parameters(command)
        yield ".RE"


def _loaded(listed: Any) -> Any:
    """The whole command; what the table says of it where an extra that it needs is missing."""
    if not isinstance(listed, LazyVerb):
        return listed
    try:
        return listed.load()
    except ModuleNotFoundError:
        return listed


def _parameters(command: Any) -> Iterator[str]:
    for parameter in command.params:
        text = getattr(parameter, "help", None) or ""
        if getattr(parameter, "hidden", False) or parameter.name == "help":
            continue
        yield ".TP"
        if parameter.param_type_name == "argument":
            yield _text(_metavar(parameter))
        else:
            names = ", ".join(map(_bold, (*parameter.opts, *parameter.secondary_opts)))
            value = "" if parameter.is_flag else f" {_text(_metavar(parameter))}"
            yield f"{names}{value}"
        yield _text(text)


def _metavar(parameter: Any) -> str:
    """What stands for the value: as its verb says, the values of a choice, else its kind."""
    if parameter.metavar is not None:
        return str(parameter.metavar)
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "|".join(str(one.value) for one in kind)
    return "NUMBER" if kind in (int, float) else str(parameter.name).upper()


def _exit_codes() -> Mapping[str, str]:
    return {
        "0": translate("完成", "done"),
        "1": translate("输入无误，执行失败，可重试", "the input was good, the work failed"),
        "2": translate("输入或配置有误，需修改", "input or configuration has to be changed"),
        "130": translate("被 Ctrl-C 中断", "interrupted by Ctrl-C"),
    }


def _environment() -> Mapping[str, str]:
    return {
        ", ".join(VARIABLES): translate(
            "语言：第一个有值的起作用（zh、en）", "the language: the first that is set (zh, en)"
        ),
        COMPLETION_VARIABLE: translate(
            "source_bash、source_zsh、source_fish：输出补全脚本",
            "source_bash, source_zsh, source_fish: prints the shell's completion script",
        ),
    }


def _files() -> Mapping[str, str]:
    return {
        "DIR/site.yaml": translate(
            "站点设置；patrol init DIR 写出带注释的一份",
            "the site's settings; patrol init DIR writes a commented one",
        ),
        "DIR/cameras.csv, DIR/grids.csv, DIR/people.csv": translate(
            "点位、网格、人员", "cameras, grids, people"
        ),
    }


def _pairs(pairs: Mapping[str, str]) -> Iterator[str]:
    for name, text in pairs.items():
        yield from (".TP", _bold(name), _text(text))


def _bold(text: str) -> str:
    return f"\\fB{_text(text)}\\fR"


def _text(text: str) -> str:
    """Text as roff prints it literally: no escape, no request, a hyphen that can be copied."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    lines = escaped.splitlines() or [""]
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in lines)

"""The tree of verbs, the global options, and the one place where a command line ends.

Typer runs on Click, and this is Click's lazy group: `VERBS` (verbs.py) holds what a list of verbs
shows, and a verb's module is imported when the verb is run, so `patrol --help` imports nothing
heavy. A new verb is a row of `VERBS`, whose text is the first line of its function's docstring.
"""

import gc
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer
from typing_extensions import override

from patrol import __version__
from patrol.cli.help_text import ReaderCommand, ReaderGroup, translate_texts
from patrol.cli.options import DEFAULT_CONFIG, GlobalOptions
from patrol.cli.output import bad_input, logs_to_stderr, report_failure
from patrol.cli.plain_values import read_plain_values
from patrol.cli.verbs import GROUPS, VERBS, Verb
from patrol.domain.reader_language import language_of, set_reader_language
from patrol.lazy_imports import collection_paused

# `source_bash` (zsh, fish) prints the script that a shell reads; the script asks with `complete_…`.
COMPLETION_VARIABLE: Final = "_PATROL_COMPLETE"
INTERRUPTED: Final = 130  # what Typer returns after Ctrl-C


app = typer.Typer(
    name="patrol",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code."""
    set_reader_language(language_of(os.environ))
    try:
        _check_text(arguments)
        if COMPLETION_VARIABLE in os.environ:
            _complete()
        result = command_tree()(args=list(arguments), prog_name="patrol", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as exc:  # noqa: BLE001  nothing above it but Python
        return report_failure(exc)
    # Typer answers with the code of `typer.Exit` here, or with what the command returned.
    if result == INTERRUPTED:
        return report_failure(KeyboardInterrupt())
    return result if isinstance(result, int) else 0


def _complete() -> None:
    """Have Typer answer the shell, which sets the variable: for its script, or for a word."""
    from typer._completion_classes import completion_init  # noqa: PLC0415  only when a shell asks

    completion_init()


def _check_text(arguments: Sequence[str]) -> None:
    """Refuse bytes that are no UTF-8 (lone surrogates here): nothing can store or print them."""
    for number, argument in enumerate(arguments, start=1):
        try:
            argument.encode()
        except UnicodeEncodeError:
            shown = argument.encode(errors="backslashreplace").decode()
            bad_input(f"argument {number}, {shown[:60]}: is not UTF-8 text, write it anew")


def command_tree() -> ReaderGroup:
    """The command `patrol` with every verb of the table, none of them imported."""
    groups = {
        name: LazyGroup(name=name, help=text, no_args_is_help=True) for name, text in GROUPS.items()
    }
    root = cast("ReaderGroup", typer.main.get_group(app))
    for path, verb in VERBS.items():
        group, _, name = path.rpartition(" ")
        (groups[group] if group else root).add_command(LazyVerb(name, verb))
    for group_command in groups.values():
        root.add_command(group_command)
    for command in (root, *root.commands.values()):
        for one in (command, *getattr(command, "commands", {}).values()):
            translate_texts(one)
    read_plain_values(root)
    return root


def load_function(verb: Verb) -> Any:
    """Import the module of a verb; its function."""
    module, _, name = verb.function.partition(":")
    with collection_paused():
        function = getattr(import_module(f"patrol.cli.{module}"), name)
        gc.freeze()  # it stays: no later collection walks it
    return function


class LazyVerb(ReaderCommand):
    """A row of `VERBS` in the tree: its name and its line, until it is run."""

    def __init__(self, name: str, verb: Verb) -> None:
        super().__init__(name=name, help=verb.short_help)
        self._verb = verb

    def load(self) -> Any:
        """Import the verb's module; the whole command, with its options."""
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        single.command(self.name, cls=ReaderCommand)(load_function(self._verb))
        command = typer.main.get_command(single)
        translate_texts(command)
        read_plain_values(command)
        return command


class LazyGroup(ReaderGroup):
    """A group that loads a verb when it is to be run, not when it is listed."""

    @override
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, LazyVerb) else command, rest


def _print_version(wanted: bool) -> None:  # noqa: FBT001  Typer calls it so
    if wanted:
        typer.echo(f"patrol {__version__}")
        raise typer.Exit


@app.callback(
    cls=LazyGroup,
    help="视频巡查：每天两轮，发现、预警、上报、处理、反馈。"
    " Two online patrol rounds a day over a township's cameras. A patrol, not a fire alarm.",
)
def _root(
    context: typer.Context,
    config: Annotated[
        Path,
        typer.Option("-c", "--config", metavar="DIR", help="配置目录。 Configuration directory."),
    ] = DEFAULT_CONFIG,
    *,
    _version_wanted: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="显示版本。 Show the version."
        ),
    ] = False,
) -> None:
    # Typer shows the help text given above. Logs go to stderr, in every verb.
    context.obj = GlobalOptions(config)
    logs_to_stderr()

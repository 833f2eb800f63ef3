"""Values of plain options, read without pydantic.

Typer reads each value of a command line by a pydantic adapter, and to import pydantic costs more
than most lists read. Flags, texts, whole numbers and paths that ask nothing of the file are read
here; everything else, and every value that is not plainly right, goes to Typer's own reader, whose
messages stay as they are. Imported by the command tree itself, so it imports nothing heavy.
"""

import os
import re
from pathlib import Path
from typing import Any, Final

_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,15}", re.ASCII)


def read_plain_values(command: Any) -> None:
    """Have the options and arguments of a command read their plain values here."""
    for option in command.params:
        read_plain_value(option)


def read_plain_value(option: Any) -> None:
    """Have one option or argument do so."""
    kind = getattr(option, "type_descriptor", None)
    if kind is not None and kind.annotation in {bool, str, int, Path}:
        option._runtime_param = PlainValue(option)  # noqa: SLF001  where Typer keeps its reader


class PlainValue:
    """Reads the values of one option or argument, by Typer's contract of a reader."""

    def __init__(self, option: Any) -> None:
        self._option = option
        self._annotation = option.type_descriptor.annotation
        self._info = option.type_descriptor.parameter_info
        self._is_repeated = option.multiple or option.nargs != 1

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value in the type that the verb's function takes. Raises BadParameter (Typer's)."""
        if not self._is_repeated and self._info.parser is None:
            if value is None or self._is_plain(value):
                return value
            if isinstance(value, str):
                read = self._read(value)
                if read is not None:
                    return read
        return self._typers_reader().coerce(value, param=param, ctx=ctx)

    def _is_plain(self, value: Any) -> bool:
        """Whether it is what the function takes already: a default, a flag, a text."""
        return self._annotation is not Path and type(value) is self._annotation

    def _read(self, text: str) -> int | Path | None:
        """None: not plainly right."""
        if self._annotation is int and _WHOLE_NUMBER.fullmatch(text):
            number, info = int(text), self._info
            is_small = info.min is not None and number < info.min
            is_large = info.max is not None and number > info.max
            return None if is_small or is_large else number
        if self._annotation is Path and self._asks_nothing_of_the_file():
            return Path(text) if not Path(text).exists() or os.access(text, os.R_OK) else None
        return None

    def _asks_nothing_of_the_file(self) -> bool:
        info = self._info
        return (
            info.file_okay
            and info.dir_okay
            and info.path_type is None
            and not (info.exists or info.writable or info.resolve_path)
        )

    def _typers_reader(self) -> Any:
        self._option._runtime_param = None  # noqa: SLF001  it makes its own
        return self._option.get_runtime_param()

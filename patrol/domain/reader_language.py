"""The language of the person at this terminal, for everything that the command line prints.

One language for one reader: `PATROL_LANGUAGE` (zh, en), else the locale's variables in their usual
order; Chinese where they name none. The process sets it once, before anything is printed
(`patrol.cli.root`); pages and slips have a reader each, and choose by their own translator instead.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final

LANGUAGES: Final = ("zh", "en")
VARIABLES: Final = ("PATROL_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")  # the first that is set
_NO_LANGUAGE: Final = frozenset({"", "c", "posix"})  # locales that name no language

_current: ContextVar[str] = ContextVar("reader_language", default="zh")


def language_of(environment: Mapping[str, str]) -> str:
    """`zh` or `en`, by the environment of a command: `en_GB.UTF-8` is English, `C.UTF-8` is none.

    A language that the product has no texts of reads English.
    """
    locale = next((environment[name] for name in VARIABLES if environment.get(name)), "")
    language = locale.replace("-", "_").partition(".")[0].partition("_")[0].lower()
    return "zh" if language == "zh" or language in _NO_LANGUAGE else "en"


def set_reader_language(language: str) -> None:
    """Set the language of this process's reader, `zh` or `en`. Raises ValueError for any other."""
    if language not in LANGUAGES:
        raise ValueError(f"language {language!r}, give {' or '.join(LANGUAGES)}")
    _current.set(language)


def reader_language() -> str:
    """`zh` or `en`."""
    return _current.get()


def translate(zh: str, en: str) -> str:
    """The text in the language of the reader at the terminal."""
    return zh if _current.get() == "zh" else en

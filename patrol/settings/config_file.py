"""One file of a site's configuration: its bytes as text, and the problems that were found in it.

UTF-8 with or without Excel's byte-order mark. What Excel and Notepad save instead on a Chinese
Windows (GBK, UTF-16, a workbook under the name of a CSV) is recognised and named. `${NAME}` of a
URL comes from the environment and keeps passwords out of files; any other `$` is an ordinary
character. Only names with the file's own prefix are read, so that an editor of cameras cannot
send the service's other secrets to a server of his own.

Problems are collected while files are read, and reported all at once. A *problem* stops the
application from starting (exit code 2); a *notice* is legal, and `patrol check` lists it, too. Each
is one line: `FILE:LINE: field: what is wrong, what would be right`. The texts never quote a URL: a
password could be in it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Literal

from typing_extensions import override

from patrol.domain.errors import BadInput

MAX_LISTED: Final = 200  # problems of a file that are told; who mends these sees the next ones
MAX_TEXT: Final = 600  # characters of one problem


@dataclass(frozen=True, slots=True, order=True)
class ConfigProblem:
    """One problem of a file, with its place (`line` counts physical lines from 1)."""

    file: str
    line: int
    field: str
    text: str

    @override
    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.text}"

    def as_json(self) -> dict[str, object]:
        """The problem as a JSON object, for `--json`."""
        return {"file": self.file, "line": self.line, "field": self.field, "text": self.text}


class ConfigProblems(BadInput):
    """The configuration cannot be used; `problems` lists what was found, sorted, up to MAX_LISTED.

    `count` is the number of all of them: a file of bad rows alone has millions.
    """

    def __init__(self, problems: Iterable[ConfigProblem], *, count: int = 0) -> None:
        found = sorted(problems)
        self.problems = tuple(found[:MAX_LISTED])
        self.count = max(count, len(found))
        lines = [str(problem) for problem in self.problems]
        if (more := self.count - len(self.problems)) > 0:
            lines.append(f"{more} more problems, {self.count} in all")
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True)
class ProblemLog:
    """Collects problems and notices while the files are read: of each file the first MAX_LISTED."""

    problems: list[ConfigProblem] = field(default_factory=list)
    notices: list[ConfigProblem] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)  # by file and kind

    @property
    def problem_count(self) -> int:
        """How many problems were found, those that are not kept too."""
        return sum(number for (_, kind), number in self.counts.items() if kind == "problem")

    def add(self, kind: Literal["problem", "notice"], one: ConfigProblem) -> None:
        """Count it, and keep it when it is one of the first of its file."""
        self.counts[one.file, kind] += 1
        if self.counts[one.file, kind] <= MAX_LISTED:
            (self.problems if kind == "problem" else self.notices).append(one)

    def for_file(self, path: Path) -> "FileProblemLog":
        """This log, for one file."""
        return FileProblemLog(str(path), self)


@dataclass(frozen=True, slots=True)
class FileProblemLog:
    """The log of one file."""

    file: str
    notes: ProblemLog

    def add_problem(self, line: int, name: str, text: str) -> None:
        """Note something that has to be corrected."""
        self.notes.add("problem", ConfigProblem(self.file, line, name, _shortened(text)))

    def add_notice(self, line: int, name: str, text: str) -> None:
        """Note something legal that a person should know."""
        self.notes.add("notice", ConfigProblem(self.file, line, name, _shortened(text)))


def _shortened(text: str) -> str:
    """The text without the middle of what it quotes: a cell may hold 100,000 characters."""
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[: MAX_TEXT // 2]} … {text[-MAX_TEXT // 2 :]}"


def did_you_mean(given: str, known: list[str]) -> str:
    """`, did you mean 'x'?` — or the list of what is known, when nothing is close."""
    close = get_close_matches(given.lower(), known, n=1, cutoff=0.7)
    if close:
        return f", did you mean {close[0]!r}?"
    return f", known: {', '.join(known)}"


_UTF16_ASCII_SHARE: Final = 20  # of 20 bytes one NUL at least: even Chinese text has commas
_UTF16_ONE_SIDED: Final = 20  # U+4E00 and its kind have a NUL on the other side
SAVE_AS = "save it as UTF-8 (in Excel or WPS: Save As → “CSV UTF-8”)"
CAMERA_ENV_PREFIX = "PATROL_CAM_"  # of cameras.csv and `patrol probe`
SITE_ENV_PREFIX = "PATROL_"  # of site.yaml, which nobody can edit over the network
_REFERENCE = re.compile(r"\$\{([^{}]*)\}?")
_UNBRACED = re.compile(r"\$(?P<round>\()?(?P<name>[A-Za-z_][A-Za-z0-9_]*+)(?(round)\))")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class BadEnvReference(Exception):
    """A reference that cannot be replaced; the text names the variable, never a value."""


def check_references(text: str, env: Mapping[str, str], prefix: str) -> None:
    """Refuse a `$NAME` that was meant as `${NAME}`. Raises BadEnvReference.

    That is one whose name the environment has and may be read, or one that is all of a URL's user
    or password; any other `$` is an ordinary character of a URL.
    """
    for match in _UNBRACED.finditer(text):
        name = match["name"]
        if name in env and name.startswith(prefix):
            raise BadEnvReference(f"${name} is not replaced, write ${{{name}}}; a plain '$' is %24")
        before, behind = text[: match.start()], text[match.end() :]
        is_user = before.endswith("//") and behind[:1] in (":", "@")
        is_password = before.endswith(":") and behind[:1] == "@"
        if is_user or is_password or not (before or behind):
            reason = "'$NAME' without braces is not replaced"
            raise BadEnvReference(f"{reason}, write ${{NAME}}; a plain '$' is written %24")


def expand_env(text: str, env: Mapping[str, str], prefix: str) -> str:
    """`text` with every `${NAME}` replaced, each beginning with `prefix`. Raises BadEnvReference.

    Whether the environment has a name that may not be read is not told.
    """
    if "${" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if not match.group(0).endswith("}"):
            raise BadEnvReference("'${' is not closed, write ${NAME}")
        if not _NAME.fullmatch(name):
            raise BadEnvReference(f"${{{name}}} is not a variable's name, write ${{NAME}}")
        if not name.startswith(prefix):
            reason = f"is not read, only names that begin with {prefix} are"
            raise BadEnvReference(f"${{{name}}} {reason}: rename it to {prefix}{_bare(name)}")
        if name not in env:
            raise BadEnvReference(f"the environment has no {name}, set it before starting")
        return env[name]

    return _REFERENCE.sub(value, text)


def _bare(name: str) -> str:
    """A variable's name without the beginning that the right one has as well."""
    return name.removeprefix("PATROL_").removeprefix("CAM_") or "PASSWORD"


def first_line(path: Path) -> str:
    """The first line of a file that holds one secret; empty without one.

    Raises OSError, UnicodeDecodeError.
    """
    return next(iter(path.read_text("utf-8").splitlines()), "")


def read_text(path: Path, notes: FileProblemLog) -> str | None:
    """The file's text, or None after a problem was noted."""
    raw = read_bytes(path, notes)
    return None if raw is None else decode_utf8(raw, notes)


def read_bytes(path: Path, notes: FileProblemLog) -> bytes | None:
    """The file's bytes, or None after a problem was noted: not there, not readable, empty."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        notes.add_problem(
            1, "file", "does not exist, create it (config/ of the project is an example)"
        )
        return None
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        notes.add_problem(
            1, "file", f"cannot be read ({reason}), give this user the right to read it"
        )
        return None
    if not raw.strip(b"\xef\xbb\xbf \t\r\n"):
        notes.add_problem(1, "file", "is empty, write at least its header")
        return None
    return raw


def decode_utf8(raw: bytes, notes: FileProblemLog) -> str | None:
    """The text of UTF-8 bytes, or None after what they are instead was noted."""
    if raw.startswith(b"PK\x03\x04"):
        notes.add_problem(1, "file", f"is an Excel workbook, not text, {SAVE_AS}")
        return None
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        notes.add_problem(1, "file", f"is UTF-16, {SAVE_AS}")
        return None
    if (order := unmarked_utf16(raw)) is not None:
        notes.add_problem(1, "file", f"is UTF-16 without a mark ({order}), {SAVE_AS}")
        return None
    nul = raw.find(b"\0")
    if nul >= 0:
        notes.add_problem(
            line_at(raw, nul), "file", f"holds a NUL byte, so it is no text, {SAVE_AS}"
        )
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        # `utf-8-sig` counts from behind the mark.
        offset = exc.start + (3 if raw.startswith(b"\xef\xbb\xbf") else 0)
        guess = " (it looks like GBK/GB18030)" if _is_gb18030(raw) else ""
        notes.add_problem(line_at(raw, offset), "file", f"is not UTF-8{guess}, {SAVE_AS}")
        return None


def unmarked_utf16(raw: bytes) -> str | None:
    """`utf-16-le` or `utf-16-be` for text so encoded without a byte order mark, else None.

    ASCII (separators, digits, line ends) puts NULs at one half of the offsets: at odd ones where
    the low byte comes first. A single NUL in a text of bytes is no such pattern.
    """
    even, odd = raw[::2].count(0), raw[1::2].count(0)
    if len(raw) % 2 or max(even, odd) < max(2, len(raw) // _UTF16_ASCII_SHARE):
        return None
    order = "utf-16-le" if odd > even else "utf-16-be"
    if min(even, odd) * _UTF16_ONE_SIDED > max(even, odd):
        return None
    try:
        text = raw.decode(order)
    except UnicodeDecodeError:
        return None
    return order if "\0" not in text else None


def line_at(raw: bytes, offset: int) -> int:
    """The physical line of a byte, from 1."""
    head = raw[:offset]
    return head.count(b"\n") + 1


def _is_gb18030(raw: bytes) -> bool:
    try:
        text = raw.decode("gb18030")
    except UnicodeDecodeError:
        return False
    return any("\u4e00" <= character <= "\u9fff" for character in text)

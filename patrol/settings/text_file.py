"""Bytes of a configuration file → text, and `${NAME}` of a URL from the environment.

UTF-8 with or without Excel's byte-order mark. What Excel and Notepad save instead on a Chinese
Windows (GBK, UTF-16, a workbook under the name of a CSV) is recognised and named. `${NAME}` keeps
passwords out of files; any other `$` is an ordinary character of a URL.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from patrol.settings.problems import FileProblemLog

SAVE_AS = "save it as UTF-8 (in Excel or WPS: Save As → “CSV UTF-8”)"
_REFERENCE = re.compile(r"\$\{([^{}]*)\}?")
_UNBRACED = re.compile(r"\$(?P<round>\()?(?P<name>[A-Za-z_][A-Za-z0-9_]*+)(?(round)\))")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class BadEnvReference(Exception):
    """A reference that cannot be replaced; the text names the variable, never a value."""


def check_references(text: str, env: Mapping[str, str]) -> None:
    """Refuse a `$NAME` that was meant as `${NAME}`. Raises BadEnvReference.

    That is one whose name the environment has, or one that is all of a URL's user or password; any
    other `$` is an ordinary character of a URL.
    """
    for match in _UNBRACED.finditer(text):
        name = match["name"]
        if name in env:
            raise BadEnvReference(f"${name} is not replaced, write ${{{name}}}; a plain '$' is %24")
        before, behind = text[: match.start()], text[match.end() :]
        is_user = before.endswith("//") and behind[:1] in (":", "@")
        is_password = before.endswith(":") and behind[:1] == "@"
        if is_user or is_password or not (before or behind):
            reason = "'$NAME' without braces is not replaced"
            raise BadEnvReference(f"{reason}, write ${{NAME}}; a plain '$' is written %24")


def expand_env(text: str, env: Mapping[str, str]) -> str:
    """`text` with every `${NAME}` replaced. Raises BadEnvReference."""
    if "${" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if not match.group(0).endswith("}"):
            raise BadEnvReference("'${' is not closed, write ${NAME}")
        if not _NAME.fullmatch(name):
            raise BadEnvReference(f"${{{name}}} is not a variable's name, write ${{NAME}}")
        if name not in env:
            raise BadEnvReference(f"the environment has no {name}, set it before starting")
        return env[name]

    return _REFERENCE.sub(value, text)


def read_text(path: Path, notes: FileProblemLog) -> str | None:
    """The file's text, or None after a problem was noted."""
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
    return _decode(raw, notes)


def _decode(raw: bytes, notes: FileProblemLog) -> str | None:
    if raw.startswith(b"PK\x03\x04"):
        notes.add_problem(1, "file", f"is an Excel workbook, not text, {SAVE_AS}")
        return None
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        notes.add_problem(1, "file", f"is UTF-16, {SAVE_AS}")
        return None
    nul = raw.find(b"\0")
    if nul >= 0:
        notes.add_problem(_line(raw, nul), "file", f"holds a NUL byte, so it is no text, {SAVE_AS}")
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        # `utf-8-sig` counts from behind the mark.
        offset = exc.start + (3 if raw.startswith(b"\xef\xbb\xbf") else 0)
        guess = " (it looks like GBK/GB18030)" if _is_gb18030(raw) else ""
        notes.add_problem(_line(raw, offset), "file", f"is not UTF-8{guess}, {SAVE_AS}")
        return None


def _line(raw: bytes, offset: int) -> int:
    head = raw[:offset]
    return head.count(b"\n") + 1


def _is_gb18030(raw: bytes) -> bool:
    try:
        text = raw.decode("gb18030")
    except UnicodeDecodeError:
        return False
    return any("\u4e00" <= character <= "\u9fff" for character in text)

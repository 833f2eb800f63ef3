"""Chinese punctuation after GB/T 15834: mends ASCII marks that stand beside Chinese words.

`full_width` is pure; run as a program it mends files in place:

    python -m tests.support.punctuation patrol README.zh-CN.md

Only text is touched: string literals of Python, quoted strings of templates and scripts, Markdown
outside code. A literal that another program parses (a regular expression, a
CSV line) is exempt by the name of its call.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

HAN: Final = "\u3400-\u9fff"
_CLOSED: Final = f"[{HAN}）”」』》]"  # what a mark can follow
_OPENED: Final = f"[{HAN}（“「『《]"  # and stand before
_MARKS: Final = {",": "，", ":": "：", ";": "；", "?": "？", "!": "！"}
_ADJACENT: Final = re.compile(
    rf"(?<={_CLOSED})(?P<after>[,:;?!])(?![,:;?!/]) ?|(?P<before>[,:;])(?! ?/) ?(?={_OPENED})"
)
_FIRST_HOLE: Final = 0xE000  # private characters stand for what is left alone
_HOLES: Final = "\ue000-\uf8ff"
_IS_HOLE: Final = re.compile(f"[{_HOLES}]")
_HELD: Final = re.compile(  # beside a hole: with a space behind it, or between two holes
    rf"(?<=[{_HOLES}])(?P<mark>[,:;]) (?=\S)|(?<=\S)(?P<then>[,:;]) (?=[{_HOLES}])"
    rf"|(?<=[{_HOLES}])(?P<between>[,;])(?=[{_HOLES}])"
)
_HOLE: Final = re.compile(r"\$?\{(?:[^{}]|\{[^{}]*\})*\}")
_ENGLISH: Final = re.compile(r"[A-Za-z']+ [A-Za-z']+ [A-Za-z']+")  # a sentence, not a name
_STRING: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|`(?:[^`\\]|\\.)*`')
_ADDRESS: Final = re.compile(r"[a-z]+://[^\s；;，,。]+")
_CODE: Final = re.compile(r"```.*?```|`[^`\n]*`|\]\([^)\s]*\)|[a-z]+://\S+", re.DOTALL)
_EXEMPT_CALLS: Final = frozenset({"compile", "fullmatch", "match", "search", "sub", "split"})
_HELP_LINE: Final = re.compile(rf"[{HAN}].*。 ")  # the docstring of a verb, in both languages
_JINJA: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def has_han(text: str) -> bool:
    """Whether the text has a Chinese character."""
    return re.search(f"[{HAN}]", text) is not None


def full_width(text: str, *, holes: bool = False) -> str:
    """The text with full-width marks where a Chinese word stands beside them.

    `holes`: what stands in braces is code, and left alone; in a Chinese text the marks between two
    holes are Chinese, too.
    """
    if not has_han(text):
        return text
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found[0])
        return chr(_FIRST_HOLE + len(kept) - 1)

    masked = _ADDRESS.sub(keep, text)
    masked = _HOLE.sub(keep, masked) if holes else masked
    if not has_han(masked):
        return text
    whole = is_chinese(masked) and not _ENGLISH.search(masked)
    masked = _brackets(masked, holes=whole)
    masked = _ADJACENT.sub(_mark, masked)
    if whole:
        masked = _HELD.sub(_mark, masked)
    masked = re.sub(r" (?=（)|(?<=）) (?=[（，：；。])", "", masked)
    for number in reversed(range(len(kept))):
        masked = masked.replace(chr(_FIRST_HOLE + number), kept[number])
    return masked


def _mark(found: re.Match[str]) -> str:
    return _MARKS[next(part for part in found.groups() if part)]


def _brackets(text: str, *, holes: bool) -> str:
    """Pairs of brackets that hold Chinese words or follow one become full-width."""
    letters, opened = list(text), []
    for at, letter in enumerate(text):
        if letter == "(":
            opened.append(at)
        elif letter == ")" and opened:
            start = opened.pop()
            before, within = text[start - 1 : start], text[start + 1 : at]
            follows = re.match(f"[{HAN}”」）]", before) is not None
            holds = has_han(within) or "、" in within or (holes and _IS_HOLE.fullmatch(within))
            if within and not within.startswith("?") and (follows or (holds and before != "]")):
                letters[start], letters[at] = "（", "）"
    return "".join(letters)


def mended_python(source: str) -> str:
    """A module's source with the marks in its string literals mended."""
    if not has_han(source):
        return source
    lines, changes = source.split("\n"), []
    nodes = list(ast.walk(ast.parse(source)))
    exempt = {
        id(inner)
        for node in nodes
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in _EXEMPT_CALLS
        for argument in node.args
        for inner in ast.walk(argument)
    }
    inside = {
        id(inner)
        for node in nodes
        if isinstance(node, ast.JoinedStr)
        for inner in ast.walk(node)
        if inner is not node
    }
    encoded = [line.encode() for line in lines]
    notes = {
        id(node.value)
        for node in nodes
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        and _HELP_LINE.match(node.value.value) is None
    }
    for node in nodes:
        if id(node) in exempt or id(node) in inside or id(node) in notes:
            continue
        if isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and has_han(node.value)
        ):
            changes.append((node.lineno, node.col_offset, node.end_lineno, node.end_col_offset))
    for first, start, last, end in sorted(changes, reverse=True):
        assert last is not None
        assert end is not None
        for number in range(last, first - 1, -1):
            line = encoded[number - 1]
            left = start if number == first else 0
            right = end if number == last else len(line)
            text = line[left:right].decode()
            mended = full_width(text, holes=True)
            encoded[number - 1] = line[:left] + mended.encode() + line[right:]
    return b"\n".join(encoded).decode()


def mended_strings(source: str) -> str:
    """A script with the marks in its quoted strings mended."""
    return _STRING.sub(lambda found: full_width(found[0], holes=True), source)


def mended_template(source: str) -> str:
    """A template with the marks in the strings of its expressions mended."""
    return _JINJA.sub(lambda found: mended_strings(found[0]), source)


def mended_markdown(source: str) -> str:
    """A document with the marks outside its code mended, in the lines that are Chinese."""
    return "\n".join(_mended_line(line) for line in source.split("\n"))


def _mended_line(line: str) -> str:
    if not is_chinese(line):
        return line
    kept = _CODE.findall(line)
    parts = [full_width(part) for part in _CODE.split(line)]
    return "".join(part + code for part, code in zip(parts, [*kept, ""], strict=True))


def is_chinese(text: str) -> bool:
    """Whether a text is Chinese with foreign words in it, rather than the other way round."""
    return len(re.findall(f"[{HAN}]", text)) > 2 * len(re.findall(r"[A-Za-z]{2,}", text))


def mended(path: Path) -> str | None:
    """The mended text of a file; None for a kind of file that is left alone."""
    source = path.read_text("utf-8")
    if path.suffix == ".py":
        return mended_python(source)
    if path.suffix == ".html":
        return mended_template(source)
    if path.suffix == ".js":
        return mended_strings(source)
    if path.suffix == ".md":
        return mended_markdown(source)
    return None


def files_of(places: list[Path]) -> Iterator[Path]:
    """The files at these places, and below those that are directories."""
    for place in places:
        yield from sorted(place.rglob("*")) if place.is_dir() else [place]


def main(arguments: list[str]) -> None:
    """Mend the files that are named."""
    for path in files_of([Path(argument) for argument in arguments]):
        if path.is_file() and path.suffix in {".py", ".html", ".js", ".md"}:
            text = mended(path)
            if text is not None and text != path.read_text("utf-8"):
                path.write_text(text, "utf-8")
                sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main(sys.argv[1:])

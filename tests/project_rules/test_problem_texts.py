"""Every text about a problem that a person may read has its Chinese in the message catalogue."""

import ast
import re
from collections.abc import Iterator
from functools import cache

from patrol.domain.problem_texts import catalogue_entries, cut, problem_text
from tests.project_rules.source_tree import modules, relative, tree_of
from tests.support.punctuation import full_width

PACKAGES = ("patrol", "streams")
FORESEEN = frozenset({"BadInput", "Failed", "BadAddress", "StreamError"})
NOTED = frozenset({"bad_input", "add_problem", "add_notice", "ConfigProblem"})
PEERS = frozenset({"refuse", "PeerGone", "BadXml", "BadMessage", "_fail"})  # of GB/T 28181
VALUES_OF = ("patrol/settings/", "patrol/administration/", "patrol/review/", "patrol/cases/")
WORKSHOP = ("patrol/bench/", "patrol/evaluation/", "patrol/demo/")  # what engineers read
CLASS = re.compile(r"^class (\w+)\(([^)]*)\):", re.MULTILINE)
CHINESE = re.compile(r"[\u3400-\u9fff：；，（]")
ENGLISH = re.compile(r"[A-Za-z]{2,}")
SAMPLE = "x-7"  # what stands in a hole


@cache
def foreseen_classes() -> frozenset[str]:
    """Names of the classes that end a command with a line, and those of the cameras' errors."""
    bases = {
        name: set(re.findall(r"\w+", names))
        for path in modules(*PACKAGES)
        for name, names in CLASS.findall(path.read_text("utf-8"))
    }

    def is_foreseen(name: str) -> bool:
        return name in FORESEEN or any(is_foreseen(base) for base in bases.get(name, ()))

    return frozenset(name for name in bases if is_foreseen(name)) | FORESEEN


def template_of(node: ast.AST) -> str | None:
    """A literal text or an f-string with `{}` in its holes; None for what is made elsewhere."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.replace("{", "{{").replace("}", "}}")
    if isinstance(node, ast.JoinedStr):
        parts = node.values
        return "".join("{}" if isinstance(one, ast.FormattedValue) else template_of(one) or ""
                       for one in parts)  # fmt: skip
    return None


def problem_calls() -> Iterator[tuple[str, ast.Call]]:
    """Calls that make a foreseen error or note a problem of a file, each with its place."""
    for path in modules(*PACKAGES):
        place = relative(path)
        values = {"ValueError", "TypeError"} if place.startswith(VALUES_OF) else set()
        kinds = foreseen_classes() | NOTED | PEERS | values
        mentioned = re.search(rf"\b(?:{'|'.join(kinds)})\(", path.read_text("utf-8"))
        if mentioned is None or place.startswith(WORKSHOP):
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if called in kinds:
                    yield f"{place}:{node.lineno}", node


def test_every_problem_of_the_code_has_its_chinese() -> None:
    texts = [
        (place, text)
        for place, call in problem_calls()
        for text in map(template_of, call.args)
        if text is not None and " " in text and len(ENGLISH.findall(text)) > 1
    ]
    assert len(texts) > 500
    assert [one for one in texts if not CHINESE.search(problem_text(filled(one[1]), "zh"))] == []


def filled(template: str) -> str:
    """The template with a value in each hole."""
    return template.format(*[SAMPLE] * (len(cut(template)) - 1))


def test_each_entry_of_the_catalogue_can_be_filled_in_and_has_chinese_punctuation() -> None:
    entries = list(catalogue_entries())
    assert len({english for english, _ in entries}) == len(entries) > 1000
    for english, chinese in entries:
        problem_text(filled(english), "zh")
        assert full_width(chinese, holes=True) == chinese

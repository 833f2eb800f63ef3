"""Every log line of the code has its Chinese: what happened, and the names of its fields."""

import ast
from collections.abc import Iterator

from patrol.domain.log_labels import EVENTS, FIELDS
from patrol.domain.problem_texts import problem_text
from tests.project_rules.source_tree import modules, relative, tree_of
from tests.project_rules.test_problem_texts import CHINESE, ENGLISH, filled, template_of
from tests.support.punctuation import full_width

METHODS = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
NO_FIELDS = frozenset({"extra", "exc_info", "stack_info"})  # of the `logging` module


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    """Calls of a logger, each with its place."""
    for path in modules("patrol"):
        if "log." not in path.read_text("utf-8"):
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                logger = ast.unparse(node.func.value)
                if node.func.attr in METHODS and logger.rpartition(".")[2] in {"log", "_log"}:
                    yield f"{relative(path)}:{node.lineno}", node


def test_every_log_line_has_its_chinese() -> None:
    events: dict[str, str] = {}
    fields: dict[str, str] = {}
    for place, call in log_calls():
        for one in ast.walk(call.args[0]):
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                events[one.value] = place
        fields |= {one.arg: place for one in call.keywords if one.arg}
    assert len(events) > 90
    assert {text: place for text, place in events.items() if text not in EVENTS} == {}
    unknown = {name: place for name, place in fields.items() if name not in FIELDS}
    assert {name: place for name, place in unknown.items() if name not in NO_FIELDS} == {}


def test_every_sentence_in_a_field_has_its_chinese() -> None:
    sentences = {
        text: place
        for place, call in log_calls()
        for field in call.keywords
        for text in map(template_of, ast.walk(field.value))
        if text is not None and " " in text and len(ENGLISH.findall(text)) > 1
    }
    english = {
        text: place
        for text, place in sentences.items()
        if not CHINESE.search(problem_text(filled(text), "zh"))
    }
    assert english == {}


def test_two_fields_of_a_line_never_have_one_name() -> None:
    assert len(set(FIELDS.values())) == len(FIELDS)


def test_the_chinese_of_log_lines_has_chinese_punctuation() -> None:
    for chinese in (*EVENTS.values(), *FIELDS.values()):
        assert full_width(chinese) == chinese

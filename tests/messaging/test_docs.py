"""docs/mqtt.md says what the code does: topics, words, reasons, categories, examples."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from patrol.domain.finding import CATEGORY_BY_ID
from patrol.messaging.reply_parser import DeadLetterReason, FeedbackResult, ReplyType
from tests.support.case_system import CaseSystem

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "mqtt.md").read_text("utf-8")


@pytest.mark.parametrize(
    "word",
    [*(r.value for r in DeadLetterReason), *ReplyType, *FeedbackResult, *CATEGORY_BY_ID],
    ids=str,
)
def test_every_word_of_the_interface_is_on_the_page(word: str) -> None:
    assert re.search(rf"\b{word}\b", PAGE)


def test_every_schema_is_linked_and_every_link_exists() -> None:
    linked = set(re.findall(r"\]\((schemas/\w+\.json)\)", PAGE))
    assert linked == {f"schemas/{file.name}" for file in (DOCS / "schemas").glob("*.json")}


def test_the_examples_are_valid(matches_schema: Callable[[str, bytes], dict[str, Any]]) -> None:
    blocks = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    kinds = ("case", "reply", "report")
    assert len(blocks) == len(kinds)
    for kind, block in zip(kinds, blocks, strict=True):
        matches_schema(kind, json.dumps(json.loads(block)).encode())


def test_the_mosquitto_pub_example_acknowledges(
    case_system: CaseSystem, matches_schema: Callable[[str, bytes], dict[str, Any]]
) -> None:
    (payload,) = re.findall(r"-m '(\{.*?\})'", PAGE)
    matches_schema("reply", payload.encode())
    case = case_system.confirm()
    topic = re.findall(r"-t (patrol/v1/\S+/reply/)C", PAGE)[0] + case.id
    assert case_system.receive(topic, payload.encode()).outcome == "moved"


def test_the_python_example_compiles_and_acknowledges(case_system: CaseSystem) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    body = program.partition("client = mqtt.Client(")[0]
    names: dict[str, Any] = {}
    exec(compile(body, "docs/mqtt.md", "exec"), names)  # noqa: S102  the page's own example

    class Client:
        def __init__(self) -> None:
            self.published: list[tuple[str, str]] = []

        def publish(self, topic: str, payload: str, qos: int) -> None:
            self.published.append((topic, payload))

    class Message:
        def __init__(self, topic: str, payload: bytes) -> None:
            self.topic, self.payload = topic, payload

    client, case = Client(), case_system.confirm()
    for _ in range(2):  # a repeat is dropped
        for message in case_system.payload_builder.case_messages(case, case_system.clock.now()):
            names["on_case"](client, None, Message(message.topic, message.payload))
    ((topic, payload),) = client.published
    case_system.receive(topic, payload.encode())
    assert case_system.case(case.id).state == "acknowledged"
    names["on_case"](client, None, Message(topic.replace("reply", "case"), b""))
    assert names["unconfirmed"] == {}

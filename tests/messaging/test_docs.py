"""docs/mqtt.md says what the code does: topics, words, reasons, categories, examples."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

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


@pytest.mark.parametrize("file", sorted((DOCS / "schemas").glob("*.json")), ids=lambda f: f.stem)
def test_a_later_field_does_not_break_a_reader(file: Path) -> None:
    def closed(schema: Any, path: str = "") -> list[str]:
        if not isinstance(schema, dict):
            return []
        found = [path] if schema.get("additionalProperties") is False else []
        return found + [at for key, part in schema.items() for at in closed(part, f"{path}/{key}")]

    assert closed(json.loads(file.read_text("utf-8"))) == []


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


# AsyncAPI 3.0.0 as far as this document uses it, every object closed (the specification's
# "Fixed Fields"); its own schema forbids other keys alike.
TEXT = {"type": "string"}
REFERENCE = {"$ref": TEXT}
ASYNCAPI: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object", "additionalProperties": False, "required": ["asyncapi", "info"],
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {"$ref": "#/$defs/info"},
        "defaultContentType": TEXT,
        "servers": {"type": "object", "additionalProperties": {"$ref": "#/$defs/server"}},
        "channels": {"type": "object", "additionalProperties": {"$ref": "#/$defs/channel"}},
        "operations": {"type": "object", "additionalProperties": {"$ref": "#/$defs/operation"}},
    },
    "$defs": {
        name: {
            "type": "object", "additionalProperties": False,
            "properties": properties, "required": required,
        }
        for name, properties, required in (
            ("license", {"name": TEXT, "url": TEXT}, ["name"]),
            ("info", {"title": TEXT, "version": TEXT, "description": TEXT,
                      "license": {"$ref": "#/$defs/license"}}, ["title", "version"]),
            ("variable", {"default": TEXT, "description": TEXT, "enum": {"type": "array"},
                          "examples": {"type": "array"}}, []),
            ("server", {"host": TEXT, "protocol": TEXT, "description": TEXT, "variables": {
                "type": "object", "additionalProperties": {"$ref": "#/$defs/variable"}}},
             ["host", "protocol"]),
            ("parameter", {"description": TEXT, "default": TEXT, "location": TEXT,
                           "enum": {"type": "array"}, "examples": {"type": "array"}}, []),
            ("message", {"payload": {"$ref": "#/$defs/reference"}, "name": TEXT,
                         "description": TEXT}, ["payload"]),
            ("reference", REFERENCE, ["$ref"]),
            ("channel", {
                "address": TEXT, "description": TEXT,
                "parameters": {"type": "object",
                               "additionalProperties": {"$ref": "#/$defs/parameter"}},
                "messages": {"type": "object",
                             "additionalProperties": {"$ref": "#/$defs/message"}},
            }, ["address", "messages"]),
            ("operation", {"action": {"enum": ["send", "receive"]}, "description": TEXT,
                           "channel": {"$ref": "#/$defs/reference"}}, ["action", "channel"]),
        )
    },
}  # fmt: skip


def test_the_asyncapi_document_is_valid() -> None:
    document = yaml.safe_load((DOCS / "asyncapi.yaml").read_text("utf-8"))
    Draft202012Validator(ASYNCAPI).validate(document)
    for name, channel in document["channels"].items():
        placeholders = set(re.findall(r"\{(\w+)\}", channel["address"]))
        assert placeholders == set(channel.get("parameters", {})), name
        for message in channel["messages"].values():
            assert (DOCS / message["payload"]["$ref"]).is_file(), name
    used = {one["channel"]["$ref"] for one in document["operations"].values()}
    assert used <= {f"#/channels/{name}" for name in document["channels"]}


def test_a_description_that_yaml_takes_apart_is_no_asyncapi() -> None:
    document = yaml.safe_load((DOCS / "asyncapi.yaml").read_text("utf-8"))
    document["channels"]["round"]["parameters"]["plan"] = yaml.safe_load("{description: a, b, c}")
    with pytest.raises(ValidationError, match="Additional properties"):
        Draft202012Validator(ASYNCAPI).validate(document)

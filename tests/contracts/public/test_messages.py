"""What is said over MQTT fits docs/schemas and docs/asyncapi.yaml: by a service that says it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

Photograph = Callable[[str, str], None]
DOCS = Path(__file__).parents[3] / "docs"
CHANNELS = yaml.safe_load((DOCS / "asyncapi.yaml").read_text("utf-8"))["channels"]
SAID_BY_THE_CENTRE = ("case", "health", "group_health", "round", "status", "canary")


def schema_of(topic: str) -> str | None:
    """The schema that asyncapi.yaml gives to a topic."""
    for channel in CHANNELS.values():
        pattern = re.sub(r"\{\w+\}", "[^/]+", channel["address"])
        if re.fullmatch(pattern, topic):
            (message,) = channel["messages"].values()
            return str(message["payload"]["$ref"]).removeprefix("schemas/").removesuffix(".json")
    return None


@pytest.fixture(scope="module")
def said(service: Any) -> list[tuple[str, bytes]]:
    """Topics with what was said there: heard at the broker, and written to be sent."""
    written: list[tuple[str, bytes]] = []

    def enough(heard: dict[str, bytes]) -> bool:
        written[:] = service.site.rows("SELECT topic, payload FROM outbox")
        kinds = {schema_of(topic) for topic in [*heard, *(topic for topic, _ in written)]}
        ended = any(b'"state":"finished"' in payload for topic, payload in written)
        return set(SAID_BY_THE_CENTRE) <= kinds and ended

    heard = service.heard(enough)
    return [*heard.items(), *written]


@pytest.mark.parametrize("kind", SAID_BY_THE_CENTRE)
def test_every_kind_of_message_fits_its_schema(
    said: list[tuple[str, bytes]], kind: str, photograph: Photograph
) -> None:
    schema = json.loads((DOCS / f"schemas/{kind}.json").read_text("utf-8"))
    check = jsonschema.Draft202012Validator(schema)
    told = [payload for topic, payload in said if payload and schema_of(topic) == kind]
    bodies = [json.loads(payload) for payload in told]
    assert bodies, f"nothing was said of {kind}"
    for body in bodies:
        check.validate(body)
    spoken = sorted({name for body in bodies for name in body})
    photograph(f"messages/{kind}.txt", "\n".join(spoken))


def test_every_topic_is_in_the_asyncapi_document(said: list[tuple[str, bytes]]) -> None:
    assert {topic for topic, _ in said if schema_of(topic) is None} == set()


@pytest.mark.parametrize("kind", ["acknowledge", "handled"])
def test_a_reply_as_documented_moves_its_case(service: Any, kind: str) -> None:
    case, grid = service.site.rows(
        "SELECT id, grid FROM cases WHERE state = 'dispatched' AND suspension IS NULL"
        " AND hold IS NULL ORDER BY id DESC LIMIT 1"
    )[0]
    body = {"v": 1, "key": f"photograph-{kind}", "type": kind}
    state = "acknowledged"
    if kind == "handled":
        body |= {"type": "feedback", "result": "handled", "text": "好了"}
        state = "fed_back"
    schema = json.loads((DOCS / "schemas/reply.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(body)
    service.say(f"patrol/v1/shangba/grid/{grid}/reply/{case}", json.dumps(body))

    def stands() -> str:
        return str(json.loads(service.get(f"{service.console}/api/v1/cases/{case}"))["state"])

    service.until(lambda: stands() == state)
    assert stands() == state


def test_a_report_as_documented_makes_a_case(service: Any) -> None:
    (grid,) = service.site.rows("SELECT grid FROM cases LIMIT 1")[0]
    body = {"v": 1, "key": "photograph-report", "category": "dumping", "level": "III",
            "place": "村口", "text": "有人倾倒"}  # fmt: skip
    schema = json.loads((DOCS / "schemas/report.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(body)
    before = service.site.rows("SELECT count(*) FROM cases WHERE finding IS NULL")
    service.say(f"patrol/v1/shangba/grid/{grid}/report", json.dumps(body))

    def after() -> Any:
        return service.site.rows("SELECT count(*) FROM cases WHERE finding IS NULL")

    service.until(lambda: after() != before)
    assert after()[0][0] == before[0][0] + 1

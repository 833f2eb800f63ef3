"""Everybody who is told a case by its route may read it and answer it; nobody reads more."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from patrol.cases.save_and_send import add_case
from patrol.domain.case import CaseState
from patrol.domain.case_opening import open_from_finding
from patrol.domain.escalation import current_rung, escalate_now
from patrol.domain.finding import CATEGORY_BY_ID
from patrol.domain.ids import CaseId, GridCode, PersonId
from patrol.domain.observation import Subject
from patrol.domain.priority import Level
from patrol.domain.registry import Person, Registry, Role
from patrol.domain.routing import route
from patrol.mqtt.mosquitto_files import MqttAccount, broker_accounts
from simulators import small_site
from tests.support.case_system import CaseSystem
from tests.support.memory_broker import matches

SITE = "shangba"
CATEGORIES = {Subject.SCENE: "blocking_vehicle", Subject.EQUIPMENT: "equipment"}


def with_accounts(registry: Registry, *more: Person) -> Registry:
    people = {**registry.people, **{who.id: who for who in more}}
    return replace(
        registry, people={key: replace(who, mqtt_user=f"u-{key}") for key, who in people.items()}
    )


VILLAGE_FIXER = Person(
    id=PersonId("near"), name="近", role=Role.MAINTAINER, grid=small_site.VILLAGE
)
GROUP_FIXER = replace(VILLAGE_FIXER, id=PersonId("nearest"), grid=small_site.GROUP)
NIGHT_FIXER = replace(VILLAGE_FIXER, id=PersonId("night"), grid=small_site.TOWN)
REGISTRIES = {
    "plain": with_accounts(small_site.registry()),
    "fixer in the village": with_accounts(small_site.registry(), VILLAGE_FIXER),
    "fixer in the group": with_accounts(small_site.registry(), GROUP_FIXER, NIGHT_FIXER),
    "no fixer": with_accounts(small_site.registry("fixer")),
    "no duty": with_accounts(small_site.registry("duty")),
    "no cadre": with_accounts(small_site.registry("cadre", "party2")),
}


def may(account: MqttAccount, how: str, topic: str) -> bool:
    return any(matches(pattern, topic) for pattern in getattr(account, how))


@pytest.mark.parametrize("name", REGISTRIES)
@pytest.mark.parametrize(
    ("grid", "subject"), list(product(small_site.registry().tree.grids, Subject))
)
def test_every_recipient_of_every_route_reads_and_answers(
    name: str, grid: GridCode, subject: Subject
) -> None:
    registry = REGISTRIES[name]
    accounts = {a.person: a for a in broker_accounts(SITE, registry)}
    system = CaseSystem(registry=registry)
    finding = small_site.finding(grid=grid, subject=subject, kind=CATEGORIES[subject])
    assert CATEGORIES[subject] in CATEGORY_BY_ID
    case = open_from_finding(
        finding, CaseId("C20261122-0001"), registry, by="op", now=small_site.NOON,
        category=CATEGORIES[subject], level=Level.URGENT,
    )  # fmt: skip
    recipients = {recipient.person.id for recipient in route(registry, grid, subject).recipients}
    told: set[str] = set()
    for _ in case.policy.ladder:
        person = current_rung(case).person
        topics = [m.topic for m in system.payload_builder.case_messages(case, small_site.NOON)]
        if person:
            readable = [topic for topic in topics if may(accounts[person], "reads", topic)]
            assert readable, f"{person} is told of it and reads none of {topics}"
            answers = [topic.replace("/case/", "/reply/") for topic in readable]
            assert all(may(accounts[person], "writes", topic) for topic in answers)
            told.add(person)
        if not case.is_on_last_rung:
            case = escalate_now(case, small_site.NOON, by="system", note="")
    assert told == recipients


@pytest.mark.parametrize("name", REGISTRIES)
def test_a_maintainer_reads_no_case_about_a_yard(name: str) -> None:
    registry = REGISTRIES[name]
    fixers = {who.id for who in registry.people.values() if who.role is Role.MAINTAINER}
    for account in broker_accounts(SITE, registry):
        if account.person in fixers:
            for grid in registry.tree.grids:
                yard = f"patrol/v1/{SITE}/grid/{grid}/case/C1"
                assert not may(account, "reads", yard)
                assert not may(account, "writes", yard.replace("/case/", "/reply/"))


def opened(system: CaseSystem, **fields: Any) -> CaseId:
    finding = small_site.finding(**fields)
    case = open_from_finding(
        finding, CaseId("C20261122-0001"), system.registry, by="op", now=system.clock.now(),
        category=CATEGORIES[finding.subject], level=Level.NOTE,
    )  # fmt: skip
    with system.store.begin() as uow:
        uow.findings.add(finding)
        add_case(uow, case, system.payload_builder, system.clock.now())
        uow.commit()
    return case.id


def test_a_maintainer_s_answer_moves_the_case() -> None:
    system = CaseSystem(registry=REGISTRIES["plain"])
    case = opened(system, subject=Subject.EQUIPMENT, kind="blur")
    topic = f"patrol/v1/{SITE}/grid/{small_site.TOWN}/equipment/reply/{case}"
    reply = b'{"v":1,"key":"a1","type":"acknowledge","person":"fixer"}'
    assert system.receive(topic, reply).outcome == "moved"
    assert system.receive(topic, reply).outcome == "repeated"
    assert system.case(case).state is CaseState.ACKNOWLEDGED


def test_a_maintainer_cannot_answer_for_a_yard() -> None:
    system = CaseSystem(registry=REGISTRIES["plain"])
    case = opened(system)
    topic = f"patrol/v1/{SITE}/grid/{small_site.GROUP}/equipment/reply/{case}"
    assert system.receive(topic, b'{"v":1,"key":"a1","type":"acknowledge"}').outcome == "refused"
    assert system.case(case).state is CaseState.DISPATCHED

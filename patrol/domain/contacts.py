"""Contacts: whether a person on a ladder can be told of a case at all, and why not. Pure.

A ladder is fixed when its case is dispatched; people leave later. Who is no longer in people.csv,
who is on
leave, whose account of the console was disabled, or who has no contact is not waited for
(escalation.skip_out_of_reach).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from patrol.domain.account import Account
from patrol.domain.ids import PersonId
from patrol.domain.registry import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Contacts:
    """Whether the people on a ladder can be told: by people.csv and the console's accounts."""

    people: Mapping[PersonId, Person]
    with_login: Collection[
        PersonId
    ] = ()  # they have an account of the console that is not disabled
    locked_out: Collection[PersonId] = ()  # they have accounts, and every one is disabled
    absent: Collection[PersonId] = ()  # they are on leave

    def problem_of(self, person: PersonId) -> str | None:
        """Why a case cannot reach this person now; None when it can."""
        known = self.people.get(person)
        if known is None:
            return "no longer in people.csv"
        if person in self.absent:
            return "on leave"
        if person in self.locked_out:
            return "the account is disabled"
        if not (known.mqtt_user or known.phone or person in self.with_login):
            return "neither mqtt_user nor phone in people.csv, and no login"
        return None

    def reachable(self) -> frozenset[PersonId]:
        """Everybody who can be told."""
        return frozenset(person for person in self.people if self.problem_of(person) is None)


def contacts_of(
    people: Mapping[PersonId, Person],
    accounts: Iterable[Account],
    absent: Collection[PersonId] = (),
) -> Contacts:
    """The contacts of these people, given all accounts of the console and who is on leave."""
    enabled: set[PersonId] = set()
    disabled: set[PersonId] = set()
    for account in accounts:
        if account.person is not None:
            (enabled if account.disabled_at is None else disabled).add(account.person)
    return Contacts(
        people=people, with_login=enabled, locked_out=disabled - enabled, absent=frozenset(absent)
    )

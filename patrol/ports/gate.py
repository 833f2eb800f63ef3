"""The gate that the first word about a case, and its repeats, pass on their way out."""

from dataclasses import replace
from datetime import datetime
from typing import Final, Protocol

from typing_extensions import override

from patrol.domain.case import Case
from patrol.ports.store import UnitOfWork


class Gate(Protocol):
    """Decides whether a word goes now or waits (domain.sending); the caller writes the case."""

    def first_word(self, uow: UnitOfWork, case: Case, now: datetime) -> Case:
        """A new case as it is to be written: told at once, or held with the reason."""

    def repeat(self, uow: UnitOfWork, case: Case, now: datetime) -> Case:
        """A case into which something was counted: its next revision, or held."""


class _Open(Gate):
    @override
    def first_word(self, uow: UnitOfWork, case: Case, now: datetime) -> Case:
        return case

    @override
    def repeat(self, uow: UnitOfWork, case: Case, now: datetime) -> Case:
        return replace(case, revision=case.revision + 1)


OPEN_GATE: Final[Gate] = _Open()  # nothing waits: simulators, measurements, tests

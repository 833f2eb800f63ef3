"""What is known of cameras and households, and who looked at what."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from patrol.domain.access import AccessEntry
from patrol.domain.health import Story
from patrol.domain.ids import CameraId
from patrol.domain.observation import Box
from patrol.domain.registry import Registry
from patrol.domain.suppression import Suppression


class Health(Protocol):
    """What is known of each camera, for change-only notices."""

    def get(self, camera: CameraId) -> tuple[str, datetime, str] | None:
        """(state, since, why), or None before the first visit."""

    def put(self, camera: CameraId, state: str, since: datetime, why: str) -> None:
        """Replace, as told; the change is kept in the camera's history."""

    def all(self) -> Mapping[CameraId, tuple[str, datetime, str]]:
        """What `get` answers, for every camera that has one."""

    def story(self, camera: CameraId) -> Story | None:
        """All that is known, or None before the first visit."""

    def put_story(self, camera: CameraId, story: Story, *, changed: bool) -> None:
        """Replace; `changed`: state or reason differ, which is kept in the camera's history."""

    def stories(self) -> Mapping[CameraId, Story]:
        """What `story` answers, for every camera that has one."""

    def history(self, camera: CameraId, *, limit: int = 20) -> Sequence[tuple[str, datetime, str]]:
        """(state, since, why) of its changes, newest first."""


class Consents(Protocol):
    """Withdrawals said after the registry was read; each has effect within a second."""

    def withdraw(self, camera: CameraId, *, by: str, now: datetime) -> None:
        """Write it; twice is once."""

    def restore(self, camera: CameraId, *, by: str, now: datetime) -> None:
        """Take a withdrawal back (the registry's own consent counts again)."""

    def withdrawn(self) -> frozenset[CameraId]:
        """All that are withdrawn just now."""


class AccessLog(Protocol):
    """Everything that was looked at (调用登记); each row carries the hash of the one before."""

    def append(
        self, *, at: datetime, who: str, what: str, camera: CameraId | None, why: str
    ) -> None:
        """One line, chained."""

    def first_broken(self) -> int | None:
        """The number of the first row whose chain does not hold, or None."""

    def last_looks(self, before: datetime) -> Mapping[CameraId, datetime]:
        """When a person (not the patrol itself) last looked at each camera, before then."""

    def entries(
        self,
        *,
        camera: CameraId | None = None,
        who: str = "",
        what: str = "",
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[AccessEntry]:
        """Newest first; of one camera: what its household may see of who looked.

        `before`: only lines with a smaller number, which is how one leafs through it.
        """


class RegistryBook(Protocol):
    """What the store knows of the registry: names and places for reports, never an address."""

    def sync(self, registry: Registry, now: datetime) -> int:
        """Bring the snapshot up to date, each changed field into the history; how many changed.

        A camera that left the registry is retired, not deleted: old reports still name it.
        """


class Suppressions(Protocol):
    """What is not proposed again for a while; listed, reversible."""

    def add(
        self,
        *,
        camera: CameraId,
        kind: str,
        box: Box | None,
        reason: str,
        owner: str,
        now: datetime,
        until: datetime,
    ) -> Suppression:
        """Write it; answers it with its number. Raises ValueError when it would never hold."""

    def revoke(self, number: int, *, by: str, now: datetime) -> bool:
        """Take it back; False when it is not standing."""

    def standing(self, now: datetime, *, camera: CameraId | None = None) -> Sequence[Suppression]:
        """Neither expired nor revoked, oldest first."""

    def list(self, *, limit: int = 1000) -> Sequence[Suppression]:
        """All that ever were, newest first."""

"""Outage: many cameras of one link or village that failed together have one cause. Pure.

A link is down when most of its visited cameras gave no answer. A village is down when that is so
of its cameras even without its worst link: a dead recorder is a link, a power cut is a village.
Every camera is under one outage at most; what an outage covers is not told camera by camera.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto

from patrol.domain.health import HealthPolicy
from patrol.domain.ids import CameraId


class Group(StrEnum):
    """What can go down as a whole."""

    LINK = auto()
    VILLAGE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One visited camera, where it hangs, and whether nobody answered."""

    camera: CameraId
    link: str
    village: str  # empty: not below a village
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """One group that is down, with the cameras that this explains."""

    group: Group
    subject: str
    cameras: tuple[CameraId, ...]
    visited: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What is told of a group: that it is down, or back."""

    group: Group
    subject: str
    name: str  # what people call it
    down: bool
    silent: int
    visited: int
    why: str


def groups_down(probes: Sequence[Probe], policy: HealthPolicy) -> list[Down]:
    """The outages of one round: widest first, each camera in one of them at most."""
    links = _gather(probes, Group.LINK)
    down_links = {name: members for name, members in links.items() if _is_down(members, policy)}
    found: list[Down] = []
    for name, members in _gather(probes, Group.VILLAGE).items():
        if _is_down(members, policy) and _is_down(_without_worst(members, down_links), policy):
            found.append(_down(Group.VILLAGE, name, members))
    covered = {camera for down in found for camera in down.cameras}
    for name, members in down_links.items():
        left = [probe for probe in members if probe.camera not in covered]
        if _is_down(left, policy):
            found.append(_down(Group.LINK, name, left))
    return sorted(found, key=lambda down: (-len(down.cameras), down.group, down.subject))


def is_back(members: Sequence[Probe], policy: HealthPolicy) -> bool:
    """Whether a group that was down has recovered; unvisited, nobody can say so."""
    return bool(members) and _failed(members) < policy.back_share * len(members)


def silent_of(members: Sequence[Probe]) -> int:
    """How many of them gave no answer."""
    return _failed(members)


def members_of(probes: Iterable[Probe], group: Group, subject: str) -> list[Probe]:
    """The probes of one link or village."""
    return [probe for probe in probes if _name(probe, group) == subject]


def _name(probe: Probe, group: Group) -> str:
    return probe.link if group is Group.LINK else probe.village


def _gather(probes: Sequence[Probe], group: Group) -> Mapping[str, list[Probe]]:
    members: defaultdict[str, list[Probe]] = defaultdict(list)
    for probe in probes:
        if _name(probe, group):
            members[_name(probe, group)].append(probe)
    return members


def _failed(members: Sequence[Probe]) -> int:
    return sum(probe.failed for probe in members)


def _is_down(members: Sequence[Probe], policy: HealthPolicy) -> bool:
    failed = _failed(members)
    return failed >= policy.group_least and failed >= policy.group_share * len(members)


def _without_worst(members: Sequence[Probe], down_links: Mapping[str, object]) -> list[Probe]:
    """The village without the link that explains most of it."""
    failing: defaultdict[str, int] = defaultdict(int)
    for probe in members:
        failing[probe.link] += probe.failed and probe.link in down_links
    worst = max(failing, key=lambda link: (failing[link], link))
    return [probe for probe in members if not failing[worst] or probe.link != worst]


def _down(group: Group, subject: str, members: Sequence[Probe]) -> Down:
    cameras = tuple(sorted(probe.camera for probe in members if probe.failed))
    return Down(group=group, subject=subject, cameras=cameras, visited=len(members))

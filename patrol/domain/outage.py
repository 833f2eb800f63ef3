"""Outage: many cameras of one link or village that failed together have one cause. Pure.

A link is down when most of its visited cameras gave no answer. A village is down when that is so
of its cameras even without its worst link: a dead recorder is a link, a power cut is a village.
Every camera is under one outage at most; what an outage covers is not announced one by one.
Used by `patrol.rounds.outages` at a round's end.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto

from patrol.domain.health import HealthPolicy
from patrol.domain.ids import CameraId


class OutageGroup(StrEnum):
    """The kinds of camera groups that can go down as a whole."""

    LINK = auto()
    VILLAGE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraReachability:
    """One visited camera, its link and village, and whether it did not answer."""

    camera: CameraId
    link: str
    village: str  # empty: not below a village
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOutage:
    """One group that is down, with the cameras that did not answer for that reason."""

    group: OutageGroup
    subject: str
    cameras: tuple[CameraId, ...]
    visited: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """The announcement about a group: that it is down, or back."""

    group: OutageGroup
    subject: str
    name: str  # what people call it
    down: bool
    silent: int
    visited: int
    why: str


def groups_down(cameras: Sequence[CameraReachability], policy: HealthPolicy) -> list[GroupOutage]:
    """The outages of one round: widest first, each camera in one of them at most."""
    links = _by_group(cameras, OutageGroup.LINK)
    down_links = {name: members for name, members in links.items() if _is_down(members, policy)}
    found: list[GroupOutage] = []
    for name, members in _by_group(cameras, OutageGroup.VILLAGE).items():
        if _is_down(members, policy) and _is_down(_without_worst(members, down_links), policy):
            found.append(_group_outage(OutageGroup.VILLAGE, name, members))
    covered = {camera for outage in found for camera in outage.cameras}
    for name, members in down_links.items():
        left = [one for one in members if one.camera not in covered]
        if _is_down(left, policy):
            found.append(_group_outage(OutageGroup.LINK, name, left))
    return sorted(found, key=lambda down: (-len(down.cameras), down.group, down.subject))


def has_recovered(members: Sequence[CameraReachability], policy: HealthPolicy) -> bool:
    """Whether a group that was down has recovered; False where none of it was visited."""
    return bool(members) and _failed_count(members) < policy.back_share * len(members)


def silent_count(members: Sequence[CameraReachability]) -> int:
    """How many of them gave no answer."""
    return _failed_count(members)


def members_of(
    cameras: Iterable[CameraReachability], group: OutageGroup, subject: str
) -> list[CameraReachability]:
    """The visited cameras of one link or village."""
    return [camera for camera in cameras if _group_name(camera, group) == subject]


def _group_name(camera: CameraReachability, group: OutageGroup) -> str:
    return camera.link if group is OutageGroup.LINK else camera.village


def _by_group(
    cameras: Sequence[CameraReachability], group: OutageGroup
) -> Mapping[str, list[CameraReachability]]:
    members: defaultdict[str, list[CameraReachability]] = defaultdict(list)
    for camera in cameras:
        if _group_name(camera, group):
            members[_group_name(camera, group)].append(camera)
    return members


def _failed_count(members: Sequence[CameraReachability]) -> int:
    return sum(camera.failed for camera in members)


def _is_down(members: Sequence[CameraReachability], policy: HealthPolicy) -> bool:
    failed = _failed_count(members)
    return failed >= policy.group_least and failed >= policy.group_share * len(members)


def _without_worst(
    members: Sequence[CameraReachability], down_links: Mapping[str, object]
) -> list[CameraReachability]:
    """The village without the link that explains most of it."""
    failing: defaultdict[str, int] = defaultdict(int)
    for camera in members:
        failing[camera.link] += camera.failed and camera.link in down_links
    worst = max(failing, key=lambda link: (failing[link], link))
    return [one for one in members if not failing[worst] or one.link != worst]


def _group_outage(
    group: OutageGroup, subject: str, members: Sequence[CameraReachability]
) -> GroupOutage:
    cameras = tuple(sorted(camera.camera for camera in members if camera.failed))
    return GroupOutage(group=group, subject=subject, cameras=cameras, visited=len(members))

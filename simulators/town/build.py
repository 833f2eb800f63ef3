"""Build the simulated town from a seed, a day and a number of cameras, always the same.

Cameras get a position, a link, a consent, a login, a scene and perhaps a fault; some scenes get a
staged problem or a harmless look-alike. Shares are those of a real township.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import numpy as np

from patrol.domain.camera import ConsentState, Placement, Priority
from patrol.domain.ids import CameraId, LinkId
from simulators.faults import HIDES_SCENE, SHOWN_IN_PICTURE, CameraFault, assign_faults
from simulators.scenes.catalogue import Scene, SceneKind, catalogue, clean_name
from simulators.town.grids import TOWN_NAME, VILLAGES, all_grids, all_people, group_code, group_name
from simulators.town.model import Login, Town, TownCamera

ID_PREFIX: Final = "62090204" + "01" + "132" + "7"  # division, industry, type IPC, network
EVEN_PROFILES: Final = frozenset({"bench", "mixed"})  # for measuring: every camera is patrolled
CENTRE_VILLAGE: Final = "203"
CENTRE_WEIGHT: Final = 1.35  # 上坝村 has more cameras per group than the others
PER_RECORDER: Final = 24  # cameras behind one NVR and its uplink
KEY_SHARE: Final = 0.08
PROBLEM_SHARE: Final = 0.011  # of patrolled cameras; the domain says 0.5 to 1.5 % per round
HARMLESS_SHARE: Final = 0.03  # looks like a problem and is none
FEWEST_PROBLEMS: Final = 3  # so that a small town has something to find, too
TOWN_CENTRE: Final = (98.75, 39.60)
GROUP_SECTORS: Final = 8  # groups lie around their village in eighths
PHASES: Final = 3600  # frames; longer than any loop

LOGINS: Final = (
    # scheme, share; what cameras of this price really ask for
    ("digest-md5", 0.34),
    ("digest-md5-qop", 0.28),
    ("basic", 0.14),
    ("none", 0.12),
    ("digest-sha256-md5", 0.06),
    ("basic+digest", 0.03),
    ("digest-sha256", 0.03),
)
_PLACES: Final = {
    SceneKind.YARD: ("院内东墙", "院内西墙", "堂屋檐下", "院门内侧"),
    SceneKind.GATE: ("大门外", "大门立柱", "车库门口", "前门檐下"),
    SceneKind.ROAD: ("门前村道", "村道转弯处", "巷口", "村口"),
    SceneKind.CANAL: ("屋后支渠", "渠道桥头", "斗渠岸边", "渠闸旁"),
}
_KEY_TAGS: Final = ("railway", "school", "canal_gate", "fuel_store")
_SIGNS: Final = "!@#%&+/:?"  # each must be percent-encoded inside a URL


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraMix:
    """What differs between the profiles."""

    scenes: tuple[Scene, ...]
    faults: str  # a mixture's name
    all_allowed: bool = False  # bench: outdoor, granted, nothing staged


def all_cameras(
    count: int, mix: CameraMix, today: date, rng: np.random.Generator
) -> tuple[TownCamera, ...]:
    """`count` cameras, group by group, with faults and problems dealt out."""
    homes = _homes(count)
    faults = assign_faults(mix.faults, [home.village for home in homes], rng)
    cameras = [
        _camera(number, home=home, fault=fault, mix=mix, today=today, rng=rng)
        for number, (home, fault) in enumerate(zip(homes, faults, strict=True), start=1)
    ]
    if not mix.all_allowed:
        _stage(cameras, mix.scenes, today, rng)
    return tuple(cameras)


@dataclass(frozen=True, slots=True)
class _CameraHome:
    """The group in which one camera hangs; `nth` counts the village's cameras from 0."""

    village: str
    village_name: str
    group: int
    nth: int


def _homes(count: int) -> list[_CameraHome]:
    """The village and group of each camera, in the order of the registry."""
    groups = [
        (village, name, group, CENTRE_WEIGHT if village == CENTRE_VILLAGE else 1.0)
        for village, name, many in VILLAGES
        for group in range(1, many + 1)
    ]
    edges = np.cumsum([0.0, *[weight for *_, weight in groups]])
    edges *= count / edges[-1]
    per_group = np.diff(np.round(edges).astype(int))
    homes: list[_CameraHome] = []
    before = dict.fromkeys((village for village, _, _ in VILLAGES), 0)
    for (village, name, group, _), times in zip(groups, per_group, strict=True):
        for _ in range(int(times)):
            homes.append(_CameraHome(village, name, group, before[village]))
            before[village] += 1
    return homes


def _camera(
    number: int,
    *,
    home: _CameraHome,
    fault: CameraFault,
    mix: CameraMix,
    today: date,
    rng: np.random.Generator,
) -> TownCamera:
    group = group_name(home.village_name, home.group)
    scene = _scene_for(fault, mix.scenes, rng)
    place = str(rng.choice(_PLACES[scene.kind]))
    consent, until = _consent(today, rng)
    placement = _placement(rng)
    if mix.all_allowed:
        placement, consent, until = Placement.OUTDOOR, ConsentState.GRANTED, _in_days(today, 300)
    key = bool(rng.random() < KEY_SHARE)
    longitude, latitude = _position(home.village, home.group, rng)
    return TownCamera(
        id=CameraId(f"{ID_PREFIX}{number:06d}"),
        name=f"{group}{number:04d}号{place}",
        grid=group_code(home.village, home.group),
        village=home.village,
        place=f"{TOWN_NAME}{group}{place}",
        link=LinkId(f"v{home.village}-nvr{home.nth // PER_RECORDER + 1:02d}"),
        household_ref=f"H-{number:04d}",
        placement=placement,
        consent=consent,
        consent_until=until,
        priority=Priority.KEY if key else Priority.NORMAL,
        tags=(str(scene.kind), *([str(rng.choice(_KEY_TAGS))] if key else [])),
        longitude=longitude,
        latitude=latitude,
        login=_login(number, simple=mix.all_allowed, rng=rng),
        scene=scene.name,
        clean=scene.name,
        fault=fault,
        phase=int(rng.integers(PHASES)),
    )


def _scene_for(fault: CameraFault, scenes: Sequence[Scene], rng: np.random.Generator) -> Scene:
    if fault in SHOWN_IN_PICTURE:
        return fault_host(fault, scenes, int(rng.integers(4)))
    shares = np.array([scene.share for scene in scenes])
    return scenes[int(rng.choice(len(scenes), p=shares / shares.sum()))]


def fault_host(fault: CameraFault, scenes: Sequence[Scene], turn: int = 0) -> Scene:
    """The scene whose loop shows this picture fault; few, as each is a loop to be encoded."""
    hosts = [scene for scene in scenes if scene.main.codec == "h264"]
    at = list(CameraFault).index(fault) + (turn if fault is CameraFault.DUSTY else 0)
    return hosts[at % len(hosts)]


def _placement(rng: np.random.Generator) -> Placement:
    draw = rng.random()
    if draw < 0.75:  # noqa: PLR2004 domain: outdoor 75 %, indoor 20 %, unknown 5 %
        return Placement.OUTDOOR
    return Placement.INDOOR if draw < 0.95 else Placement.UNKNOWN  # noqa: PLR2004 see above


def _consent(today: date, rng: np.random.Generator) -> tuple[ConsentState, date | None]:
    """Granted 88, pending 7, withdrawn 3, expired 2 %; a consent lasts 12 months at most."""
    draw = 100 * rng.random()
    if draw < 88:  # noqa: PLR2004 the share of granted
        return ConsentState.GRANTED, _in_days(today, int(rng.integers(20, 360)))
    if draw < 95:  # noqa: PLR2004 88 + 7 pending
        return ConsentState.PENDING, None
    if draw < 98:  # noqa: PLR2004 95 + 3 withdrawn
        return ConsentState.WITHDRAWN, _in_days(today, int(rng.integers(20, 300)))
    return ConsentState.GRANTED, _in_days(today, -int(rng.integers(1, 90)))


def _in_days(today: date, days: int) -> date:
    return today + timedelta(days=days)


def _position(village: str, group: int, rng: np.random.Generator) -> tuple[float, float]:
    """Longitude and latitude: villages around the centre, groups around theirs, 100 m apart."""
    around = 2 * np.pi * group / GROUP_SECTORS
    east, north = village_centre(village)
    east += 0.008 * float(np.cos(around)) + 0.0012 * float(rng.standard_normal())
    north += 0.006 * float(np.sin(around)) + 0.001 * float(rng.standard_normal())
    return round(east, 6), round(north, 6)


def village_centre(village: str) -> tuple[float, float]:
    """Longitude and latitude of a village's middle."""
    turn = 2 * np.pi * (int(village) - 200) / len(VILLAGES)
    reach = 0.0 if village == CENTRE_VILLAGE else 0.045
    east, north = reach * float(np.cos(turn)), 0.8 * reach * float(np.sin(turn))
    return TOWN_CENTRE[0] + east, TOWN_CENTRE[1] + north


def _login(number: int, *, simple: bool, rng: np.random.Generator) -> Login:
    """A login whose password, in every second camera, has a character that a URL must encode."""
    names, shares = zip(*LOGINS, strict=True)
    scheme = "digest-md5" if simple else str(rng.choice(names, p=np.array(shares)))
    letters = "".join(str(c) for c in rng.choice(list("abcdefghkmnpqrstuvwxyz23456789"), size=8))
    sign = "" if simple or number % 2 else str(rng.choice(list(_SIGNS)))
    if scheme == "none":
        return Login(scheme="none", user="", password="")  # nosec B106
    return Login(scheme=scheme, user="admin", password=f"{letters[:4]}{sign}{letters[4:]}")


def _stage(
    cameras: list[TownCamera], scenes: Sequence[Scene], today: date, rng: np.random.Generator
) -> None:
    """Put problems and harmless look-alikes before cameras that a round may really visit."""
    by_name = {scene.name: scene for scene in scenes}
    patrolled = [
        i
        for i, camera in enumerate(cameras)
        if camera.patrolled(today) and camera.fault not in HIDES_SCENE | {CameraFault.FLAKY}
    ]
    problems = max(min(FEWEST_PROBLEMS, len(patrolled)), round(PROBLEM_SHARE * len(patrolled)))
    harmless = round(HARMLESS_SHARE * len(patrolled))
    staged: dict[bool, int] = {True: problems, False: harmless}
    order = [int(i) for i in rng.permutation(np.array(patrolled, dtype=int))]
    for real in (True, False):
        for i in _first_suited(order, cameras, by_name, real=real)[: staged[real]]:
            scene = by_name[cameras[i].clean]
            choices = [v for v in scene.variants if (v.problem is not None) is real]
            variant = choices[int(rng.integers(len(choices)))]
            cameras[i] = replace(cameras[i], scene=scene.staged(variant))


def _first_suited(
    order: list[int], cameras: list[TownCamera], by_name: dict[str, Scene], *, real: bool
) -> list[int]:
    """Indices of cameras with such a variant, one of each scene in turn so that kinds mix."""
    turns: dict[str, int] = {}
    ranked = []
    for i in order:
        camera = cameras[i]
        scene = by_name[clean_name(camera.scene)]
        suited = any((variant.problem is not None) is real for variant in scene.variants)
        if suited and camera.scene == camera.clean:
            turn = turns[scene.name] = turns.get(scene.name, 0) + 1
            ranked.append((turn, i))
    return [i for _, i in sorted(ranked, key=lambda item: item[0])]


def build_town(
    *, count: int, seed: int, today: date, faults: str = "town", profile: str = "town"
) -> Town:
    """The whole town; the draws for people and cameras are independent of each other."""
    mix = CameraMix(scenes=catalogue(profile), faults=faults, all_allowed=profile in EVEN_PROFILES)
    return Town(
        seed=seed,
        today=today,
        grids=all_grids(),
        people=all_people(np.random.default_rng([seed, 1])),
        cameras=all_cameras(count, mix, today, np.random.default_rng([seed, 2])),
    )

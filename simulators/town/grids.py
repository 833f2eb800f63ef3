"""The 68 grids of the town and the people who answer for each.

Every person is made up: surnames and given names are drawn from two short lists by the seed, and
no telephone number here can be dialled (no local number begins with a zero).
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from patrol.domain.ids import GridCode, PersonId
from patrol.domain.registry import Grid, GridLevel, Person, Role

TOWN_CODE: Final = "620902104"
TOWN_NAME: Final = "上坝镇"
VILLAGES: Final = (
    ("200", "新上村", 7),
    ("201", "光辉村", 6),
    ("202", "下坝村", 7),
    ("203", "上坝村", 8),
    ("204", "小沟村", 5),
    ("205", "旧墩村", 6),
    ("206", "营尔村", 7),
    ("207", "东沟村", 6),
    ("208", "上红村", 6),
)
"""Village code, name, number of groups: 9 villages, 58 groups, 上坝村 is the town's centre."""

SURNAMES: Final = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕张孔曹严华金魏陶姜"
GIVEN: Final = "安禾田丰春雨秋实山川河林松柏青云文武德义和平广远长明永新立成"
_NUMERALS: Final = "一二三四五六七八九十"


def town_code() -> GridCode:
    """The code of the town's grid, the root of the tree."""
    return GridCode(f"{TOWN_CODE}000000")


def village_code(village: str) -> GridCode:
    """The code of a village's grid."""
    return GridCode(f"{TOWN_CODE}{village}000")


def group_code(village: str, group: int) -> GridCode:
    """The code of a group's grid; groups count from 1."""
    return GridCode(f"{TOWN_CODE}{village}{group:03d}")


def group_name(village_name: str, group: int) -> str:
    """The name of a group, e.g. 上坝村三组."""
    return f"{village_name}{_NUMERALS[group - 1]}组"


def all_grids() -> tuple[Grid, ...]:
    """Town, villages and groups, parents before children."""
    return tuple(_grids())


def _grids() -> Iterator[Grid]:
    yield Grid(code=town_code(), name=TOWN_NAME, level=GridLevel.TOWN, parent=None)
    for village, name, groups in VILLAGES:
        parent = village_code(village)
        yield Grid(code=parent, name=name, level=GridLevel.VILLAGE, parent=town_code())
        for group in range(1, groups + 1):
            yield Grid(
                code=group_code(village, group),
                name=group_name(name, group),
                level=GridLevel.GROUP,
                parent=parent,
            )


def all_people(rng: np.random.Generator) -> tuple[Person, ...]:
    """The people of every grid, from the group's leader to the town's duty officers."""
    return tuple(_Register(rng).everyone())


class _Register:
    """Hands out names and telephone numbers, each once."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._names: set[str] = set()
        self._numbers = 0

    def everyone(self) -> Iterator[Person]:
        town = town_code()
        yield self._person("duty-1", Role.TOWN_DUTY, town)
        yield self._person("duty-2", Role.TOWN_DUTY, town, substitute_for="duty-1")
        yield self._person("maintainer-1", Role.MAINTAINER, town)
        yield self._person("maintainer-2", Role.MAINTAINER, town, substitute_for="maintainer-1")
        for village, _, groups in VILLAGES:
            here = village_code(village)
            yield self._person(f"cadre-{village}", Role.VILLAGE_CADRE, here)
            deputy = f"deputy-{village}"
            yield self._person(deputy, Role.GRID_WORKER, here, substitute_for=f"cadre-{village}")
            for group in range(1, groups + 1):
                yield from self._team(f"{village}{group:03d}", group_code(village, group))

    def _team(self, short: str, grid: GridCode) -> Iterator[Person]:
        leader = f"leader-{short}"
        yield self._person(leader, Role.GRID_LEADER, grid)
        yield self._person(f"worker-{short}", Role.GRID_WORKER, grid, substitute_for=leader)
        yield self._person(f"party-{short}", Role.PARTY_GROUP_LEADER, grid)
        yield self._person(f"elder-{short}", Role.RESPECTED_VILLAGER, grid)

    def _person(self, ident: str, role: Role, grid: GridCode, substitute_for: str = "") -> Person:
        self._numbers += 1
        return Person(
            id=PersonId(ident),
            name=self._name(),
            role=role,
            grid=grid,
            mqtt_user=ident,
            phone=f"0937-0{self._numbers:06d}",
            substitute_for=PersonId(substitute_for) if substitute_for else None,
        )

    def _name(self) -> str:
        while True:
            name = "".join(
                (
                    str(self._rng.choice(list(SURNAMES))),
                    *(str(c) for c in self._rng.choice(list(GIVEN), size=2, replace=False)),
                )
            )
            if name not in self._names:
                self._names.add(name)
                return name

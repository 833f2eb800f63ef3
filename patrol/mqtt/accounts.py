"""Mosquitto's password and ACL files, made from people.csv: who may read and write which topics.

Least privilege: whoever is on a ladder reads the cases told under that grid's topic and answers
there; everybody on the ground may report from the own grid; a maintainer reads the cameras' health
and no case, because a grid's topic also carries what was found in people's yards. Nobody writes as
somebody else's grid, nobody reads another grid.
Not here: talking to a broker. Passwords are random and never print.
"""

import base64
import csv
import hashlib
import io
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from patrol.domain.grid import Person, Role
from patrol.domain.ids import GridCode, PersonId
from patrol.domain.observation import Subject
from patrol.domain.registry import Registry
from patrol.domain.routing import route

CENTRE: Final = "centre"
TEST_LEADER: Final = "canary"
# Mosquitto hashes on its one thread at every CONNECT. The passwords are random, 120 bits: what
# guards them is their length, not the rounds (which 600 phones after a restart would wait for).
ROUNDS: Final = 101
SALT_BYTES: Final = 12
PASSWORD_CHARACTERS: Final = 20
_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none alike
PASSWD, ACL, HANDOUT = "patrol.passwd", "patrol.acl", "accounts.csv"
_COLUMNS: Final = ("mqtt_user", "password", "person_id", "name")


class AccountsProblem(Exception):
    """The files cannot be made; says which row of people.csv and what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttAccount:
    """One login of the broker and its lines of the ACL."""

    user: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    person: PersonId | None = None
    name: str = ""
    password: str = field(default="", repr=False)


def accounts(site: str, registry: Registry) -> list[MqttAccount]:
    """Everybody who may connect: the centre, the test leader, each person with an `mqtt_user`.

    Raises AccountsProblem: two people with one account, a name that Mosquitto cannot keep.
    """
    p = f"patrol/v1/{site}"
    found = [
        MqttAccount(user=CENTRE, name="指挥中心", reads=(f"{p}/#",), writes=(f"{p}/#",)),
        MqttAccount(
            user=TEST_LEADER,
            name="自检",
            reads=(f"{p}/canary/case",),
            writes=(f"{p}/canary/reply",),
        ),
    ]
    told = _told(registry)
    people = (who for who in registry.people.values() if who.mqtt_user)
    found.extend(_account(p, who, told.get(who.id, ())) for who in people)
    _refuse_odd_names(found)
    return found


def _told(registry: Registry) -> Mapping[PersonId, tuple[GridCode, ...]]:
    """Under which grids' topics each person is told of what was found."""
    told: dict[PersonId, dict[GridCode, None]] = {}
    for code in registry.tree.grids:
        for stop in route(registry, code, Subject.SCENE).stops:
            told.setdefault(stop.person.id, {})[stop.grid] = None
    return {who.id: tuple(_shared(told, registry, who)) for who in registry.people.values()}


def _shared(
    told: Mapping[PersonId, Mapping[GridCode, None]], registry: Registry, who: Person
) -> Mapping[GridCode, None]:
    """What somebody reads with whom: the other shift of the same post, whom one stands in for."""
    others = (o for o in registry.people.values() if (o.role, o.grid) == (who.role, who.grid))
    names = [who.id, who.substitute_for, *(other.id for other in others)]
    return {code: None for name in names if name and name in told for code in told[name]}


def _account(p: str, who: Person, told: tuple[GridCode, ...]) -> MqttAccount:
    everybody = (f"{p}/round/+/latest", f"{p}/centre/status")
    if who.role is Role.MAINTAINER:
        health = (f"{p}/camera/+/health", f"{p}/link/+/health", f"{p}/grid/+/health")
        reads: tuple[str, ...] = (*health, *everybody)
        return MqttAccount(user=who.mqtt_user, person=who.id, name=who.name, reads=reads)
    return MqttAccount(
        user=who.mqtt_user,
        person=who.id,
        name=who.name,
        reads=(*(f"{p}/grid/{code}/case/+" for code in told), *everybody),
        writes=(
            *(f"{p}/grid/{code}/reply/+" for code in told),
            *(f"{p}/grid/{code}/report" for code in dict.fromkeys((*told, who.grid))),
        ),
    )


def _refuse_odd_names(found: list[MqttAccount]) -> None:
    owner: dict[str, str] = {}
    for account in found:
        who = account.person or account.name
        if account.user in owner:
            raise AccountsProblem(
                f"people.csv: mqtt_user: {account.user!r} is used by {owner[account.user]} and"
                f" {who}, give each person an account of their own"
            )
        if not account.user.isprintable() or set(account.user) & set(": #+/"):
            raise AccountsProblem(
                f"people.csv: mqtt_user: {account.user!r} of {who} cannot be a broker's account,"
                " leave out spaces and the characters : # + /"
            )
        owner[account.user] = str(who)


def acl_text(found: list[MqttAccount]) -> str:
    """Mosquitto's `acl_file`. Anonymous clients get nothing: no topic stands before a user."""
    blocks = [
        "\n".join(
            [
                f"# {account.person or ''} {account.name}".rstrip(),
                f"user {account.user}",
                *(f"topic {how} {topic}" for how, topic in acl_lines(account)),
            ]
        )
        for account in found
    ]
    head = "# Made by `patrol mosquitto write` from people.csv; your changes would be overwritten."
    return "\n\n".join([head, *blocks]) + "\n"


def acl_lines(account: MqttAccount) -> Iterator[tuple[str, str]]:
    """(read, write or readwrite; the topic) of one account."""
    for topic in account.reads:
        yield ("readwrite" if topic in account.writes else "read"), topic
    for topic in account.writes:
        if topic not in account.reads:
            yield "write", topic


def password_line(user: str, password: str, salt: bytes) -> str:
    """A line of Mosquitto's `password_file`: PBKDF2-HMAC-SHA512 (`$7$`)."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS)
    encoded = (base64.b64encode(part).decode() for part in (salt, digest))
    return f"{user}:$7${ROUNDS}${'$'.join(encoded)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What `write` did."""

    files: tuple[Path, ...]
    accounts: int
    new: tuple[str, ...]  # users whose password has to be handed out
    gone: tuple[str, ...]  # users who can no longer connect


def write(
    folder: Path,
    site: str,
    registry: Registry,
    *,
    rotate: bool = False,
    draw: Callable[[str], str] = secrets.choice,
) -> Written:
    """The broker's files and, for the centre alone, the passwords to hand out.

    Whoever has a password keeps it, unless `rotate`. Raises AccountsProblem, OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = _known(folder / HANDOUT)
    kept = {} if rotate else known
    found = accounts(site, registry)
    passwords = {a.user: kept.get(a.user) or _password(draw) for a in found}
    lines = [
        password_line(a.user, passwords[a.user], secrets.token_bytes(SALT_BYTES)) for a in found
    ]
    texts = {
        PASSWD: "\n".join(lines) + "\n",
        ACL: acl_text(found),
        HANDOUT: _handout(found, passwords),
        f"{CENTRE}.password": passwords[CENTRE] + "\n",
        f"{TEST_LEADER}.password": passwords[TEST_LEADER] + "\n",
    }
    for name, text in texts.items():
        _write_private(folder / name, text)
    return Written(
        files=tuple(folder / name for name in texts),
        accounts=len(found),
        new=tuple(user for user in passwords if user not in kept),
        gone=tuple(user for user in known if user not in passwords),
    )


def _password(draw: Callable[[str], str]) -> str:
    return "".join(draw(_ALPHABET) for _ in range(PASSWORD_CHARACTERS))


def _known(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        return {row["mqtt_user"]: row["password"] for row in rows if row["password"]}
    except KeyError as exc:
        raise AccountsProblem(
            f"{path}: column {exc} is missing; it keeps the passwords that were handed out:"
            " put it right, or move it away to make all of them new"
        ) from None


def _handout(found: list[MqttAccount], passwords: Mapping[str, str]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for account in found:
        row = (account.user, passwords[account.user], account.person or "", account.name)
        writer.writerow(row)
    return out.getvalue()


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all, and for its owner's eyes: nobody else ever could read it."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)

"""Mosquitto's password and ACL files, made from people.csv and compared with what is installed.

Who may read and write which topics, by least privilege: a person on an escalation ladder reads the
cases announced under that grid's topic and replies there; everybody on the ground may report from
the own grid; a maintainer reads the cameras' health and, on topics of their own, the cases about
cameras, and no other case, because a grid's topic also carries what was found in people's yards.
Who is told of what follows from the routes and the teams of grids alone
(domain/answering.py); somebody on leave is told of nothing. Who may walk patrols has topics of that
person alone. Nobody writes under another
grid, nobody reads another grid. Passwords are random and never print.

The comparison (`patrol check`) only reads: account by account and right by right, the order of
lines and comments count for nothing; a right too many is as much a difference as one too few.
Not here: talking to a broker.
"""

import base64
import csv
import hashlib
import io
import os
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from patrol.domain.answering import grids_notified
from patrol.domain.errors import BadInput
from patrol.domain.ids import GridCode, PersonId
from patrol.domain.observation import Subject
from patrol.domain.registry import Person, Registry, Role
from patrol.domain.registry_change import is_same_name
from patrol.domain.teams import seeing_members
from patrol.files import PRIVATE_MODE, atomic_file, unfinished_name
from patrol.messaging.topics import prefix, recipient_rights, team_filter, walker_rights

CENTRE: Final = "centre"
TEST_LEADER: Final = "canary"
# Mosquitto hashes on its one thread at every CONNECT. The passwords are random, 120 bits: their
# length protects them, not the rounds (which 600 phones after a restart would wait for).
ROUNDS: Final = 101
SALT_BYTES: Final = 12
PASSWORD_CHARACTERS: Final = 20
_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none alike
PASSWD, ACL, HANDOUT = "patrol.passwd", "patrol.acl", "accounts.csv"
ANONYMOUS: Final = ""  # the ACL's lines before any user
AclRight = tuple[str, str]  # read or write, topic
_READ, _WRITE = "read", "write"
_GIVES: Final = {
    "read": (_READ,), "write": (_WRITE,), "readwrite": (_READ, _WRITE), "deny": ("deny",),
}  # fmt: skip
_COLUMNS: Final = ("mqtt_user", "password", "person_id", "name")


class AccountsProblem(BadInput):
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


def broker_accounts(site: str, registry: Registry) -> list[MqttAccount]:
    """Everybody who may connect: the centre, the test leader, each person with an `mqtt_user`.

    Raises AccountsProblem: two people with one account, a name that Mosquitto cannot keep.
    """
    p = prefix(site)
    found = [
        MqttAccount(user=CENTRE, name="指挥中心", reads=(f"{p}/#",), writes=(f"{p}/#",)),
        MqttAccount(
            user=TEST_LEADER,
            name="自检",
            reads=(f"{p}/canary/case",),
            writes=(f"{p}/canary/reply",),
        ),
    ]
    grids_by_subject = {subject: grids_notified(registry, subject) for subject in Subject}
    seen = _grids_seen(registry)
    for who in (who for who in registry.people.values() if who.mqtt_user):
        grids = {subject: grids_by_subject[subject].get(who.id, ()) for subject in Subject}
        account = _broker_account(site, who, grids, is_away=who.id in registry.absent)
        short = tuple(team_filter(site, code) for code in seen.get(who.id, ()))
        found.append(replace(account, reads=(*account.reads, *short)))
    _refuse_bad_names(found)
    return found


def _grids_seen(registry: Registry) -> Mapping[PersonId, list[GridCode]]:
    """The grids of whose teams each person is a member that only sees."""
    seen: dict[PersonId, list[GridCode]] = {}
    for code in registry.tree.grids if registry.teams else ():
        for member in seeing_members(registry, code):
            seen.setdefault(member.id, []).append(code)
    return seen


def _broker_account(
    site: str, who: Person, grids: Mapping[Subject, tuple[GridCode, ...]], *, is_away: bool
) -> MqttAccount:
    p = prefix(site)
    reads: dict[str, None] = {}
    writes: dict[str, None] = {}
    for subject, codes in grids.items():
        for code in codes:
            if subject is Subject.EQUIPMENT and code in grids[Subject.SCENE]:
                continue  # reads and answers every case of the grid
            read, written = recipient_rights(site, code, subject, who.id)
            reads.update(dict.fromkeys(read))
            writes.update(dict.fromkeys(written))
    if is_away:
        pass  # on leave: sees and answers nothing; who stands in does
    elif who.role is Role.MAINTAINER:
        reads.update(dict.fromkeys(f"{p}/{what}/+/health" for what in ("camera", "link", "grid")))
    else:
        at_home = dict.fromkeys((*grids[Subject.SCENE], who.grid))
        for code in at_home:
            reports = (f"{p}/grid/{code}/report", f"{p}/grid/{code}/person/{who.id}/report")
            writes.update(dict.fromkeys(reports))
    if who.ground_kind is not None:
        listens, checks_in = walker_rights(site, who.id)
        reads[listens] = writes[checks_in] = None
    reads.update(dict.fromkeys((f"{p}/round/+/latest", f"{p}/centre/status")))
    return MqttAccount(
        user=who.mqtt_user, person=who.id, name=who.name, reads=tuple(reads), writes=tuple(writes)
    )


def _refuse_bad_names(found: list[MqttAccount]) -> None:
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
class WrittenFiles:
    """What `write_mosquitto_files` did."""

    files: tuple[Path, ...]
    accounts: int
    new: tuple[str, ...]  # users whose new password has to be handed out
    gone: tuple[str, ...]  # users who can no longer connect


def write_mosquitto_files(
    folder: Path,
    site: str,
    registry: Registry,
    *,
    rotate: bool = False,
    draw: Callable[[str], str] = secrets.choice,
) -> WrittenFiles:
    """Write the broker's files and, for the centre alone, the passwords to hand out; mode 0600.

    Written by root, they belong to the owner of the directory that `folder` lies in: the site's
    directory is the service user's. Existing passwords stay, unless `rotate`, or the account is
    another person's now. `draw` picks a character of the alphabet. Raises AccountsProblem, OSError.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    owner = folder.parent.stat()
    if is_new and os.geteuid() == 0:
        os.chown(folder, owner.st_uid, owner.st_gid)
    known = handed_out_passwords(folder / HANDOUT)
    found = broker_accounts(site, registry)
    passed = passed_on_accounts(folder / HANDOUT, found)
    kept = {} if rotate else {user: known[user] for user in known.keys() - passed}
    passwords = {a.user: kept.get(a.user) or draw_password(draw) for a in found}
    lines = [
        password_line(a.user, passwords[a.user], secrets.token_bytes(SALT_BYTES)) for a in found
    ]
    texts = {
        PASSWD: "\n".join(lines) + "\n",
        ACL: acl_text(found),
        HANDOUT: handout_text(found, passwords),
        f"{CENTRE}.password": passwords[CENTRE] + "\n",
        f"{TEST_LEADER}.password": passwords[TEST_LEADER] + "\n",
    }
    for name, text in texts.items():
        write_site_owned(folder / name, text, owner=owner)
    return WrittenFiles(
        files=tuple(folder / name for name in texts),
        accounts=len(found),
        new=tuple(user for user in passwords if user not in kept),
        gone=tuple(user for user in known if user not in passwords),
    )


def write_site_owned(path: Path, text: str, *, owner: os.stat_result) -> None:
    """Write a file of mode 0600 atomically, which root gives to the owner of the site."""
    with atomic_file(path, mode=PRIVATE_MODE, unfinished=unfinished_name(path)) as file:
        file.write(text.encode())
        if os.geteuid() == 0:  # else only root could read what the service is to read
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)


def handed_out_accounts(folder: Path, site: str, registry: Registry) -> list[MqttAccount]:
    """The accounts with the passwords that `write_mosquitto_files` handed out in this folder.

    One without a password there is left out, and one whose password somebody else was given.
    Raises AccountsProblem, OSError.
    """
    known, found = handed_out_passwords(folder / HANDOUT), broker_accounts(site, registry)
    passed = passed_on_accounts(folder / HANDOUT, found)
    return [
        replace(account, password=known[account.user])
        for account in found
        if account.user in known and account.user not in passed
    ]


class HandedOutAccounts:
    """The accounts of an embedded broker, read again after people or the hand-out changed."""

    def __init__(self, folder: Path, site: str) -> None:
        self._folder, self._site = folder, site
        self._read: tuple[Registry, object] | None = None

    def have_changed(self, registry: Registry) -> bool:
        """Whether this registry or the hand-out's file is another than was read."""
        if self._read is None:
            return True
        known, stamp = self._read
        return registry is not known or stamp != self._stamp()

    def read(self, registry: Registry) -> Sequence[MqttAccount]:
        """The accounts as they should be. Raises AccountsProblem, OSError."""
        self._read = registry, self._stamp()
        return handed_out_accounts(self._folder, self._site, registry)

    def _stamp(self) -> object:
        try:
            found = (self._folder / HANDOUT).stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def draw_password(draw: Callable[[str], str]) -> str:
    """A new password of the alphabet in which no characters look alike."""
    return "".join(draw(_ALPHABET) for _ in range(PASSWORD_CHARACTERS))


def handed_out_passwords(path: Path) -> dict[str, str]:
    """The passwords in a hand-out by user; without it none. Raises AccountsProblem, OSError."""
    rows = _handout_rows(path)
    try:
        return {row["mqtt_user"]: row["password"] for row in rows if row["password"]}
    except KeyError as exc:
        raise AccountsProblem(
            f"{path}: column {exc} is missing; it keeps the passwords that were handed out:"
            " put it right, or move it away to make all of them new"
        ) from None


def passed_on_accounts(path: Path, found: Sequence[MqttAccount]) -> frozenset[str]:
    """Users whose account is another person's than the hand-out says: a successor's.

    Another person_id, or another name under the same one. Who had the account before knows its
    password. Raises OSError.
    """
    had = {row.get("mqtt_user"): row for row in _handout_rows(path)}
    return frozenset(
        account.user
        for account in found
        if account.person and account.user in had and _has_passed(account, had[account.user])
    )


def _has_passed(account: MqttAccount, row: Mapping[str, str | None]) -> bool:
    person, name = row.get("person_id"), row.get("name")
    if person and person != account.person:
        return True
    return bool(name) and not is_same_name(str(name), account.name)


def _handout_rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def handout_text(found: list[MqttAccount], passwords: Mapping[str, str]) -> str:
    """The hand-out: a password is empty where it is no longer known."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for account in found:
        row = (account.user, passwords.get(account.user, ""), account.person or "", account.name)
        writer.writerow(row)
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class FileDifference:
    """One difference between an installed file and people.csv."""

    file: Path
    line: int  # 1: the file as a whole
    text: str


def file_differences(folder: Path, site: str, registry: Registry) -> list[FileDifference]:
    """Compare the installed files with people.csv. Raises AccountsProblem."""
    made = broker_accounts(site, registry)
    found: list[FileDifference] = []
    for name, compare in ((ACL, _acl_differences), (PASSWD, _password_differences)):
        path = folder / name
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            reason = getattr(exc, "strerror", None) or str(exc)
            found.append(FileDifference(path, 1, f"cannot be read: {reason}"))
        else:
            found.extend(compare(path, text, made))
    return found


def _acl_differences(path: Path, text: str, made: list[MqttAccount]) -> Iterator[FileDifference]:
    installed, lines = read_acl(text)
    wanted = {account.user: _rights(acl_lines(account)) for account in made}
    for user, rights in installed.items():
        if user == ANONYMOUS:
            yield FileDifference(path, lines[user], f"anonymous clients may {_rights_text(rights)}")
        elif user not in wanted:
            yield FileDifference(path, lines[user], f"user {user}: nobody of people.csv")
        else:
            yield from _account_differences(path, lines[user], user, rights, wanted[user])
    for user in wanted.keys() - installed.keys():
        yield FileDifference(path, 1, f"user {user}: is missing, cannot read or write anything")


def _account_differences(
    path: Path, line: int, user: str, installed: frozenset[AclRight], wanted: frozenset[AclRight]
) -> Iterator[FileDifference]:
    if excess := installed - wanted:
        yield FileDifference(path, line, f"user {user}: may {_rights_text(excess)}, and should not")
    if missing := wanted - installed:
        yield FileDifference(
            path, line, f"user {user}: may not {_rights_text(missing)}, and should"
        )


def _password_differences(
    path: Path, text: str, made: list[MqttAccount]
) -> Iterator[FileDifference]:
    wanted = {account.user for account in made}
    installed: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        user, _, secret = line.partition(":")
        if not line.strip() or line.startswith("#"):
            continue
        installed[user] = number
        if not secret.startswith("$"):
            yield FileDifference(path, number, f"user {user}: its password lies there in the open")
        if user not in wanted:
            yield FileDifference(
                path, number, f"user {user}: may connect, and is nobody of people.csv"
            )
    for user in sorted(wanted - installed.keys()):
        yield FileDifference(path, 1, f"user {user}: has no password, cannot connect")


def read_acl(text: str) -> tuple[Mapping[str, frozenset[AclRight]], Mapping[str, int]]:
    """(rights by user, the line where each begins) of Mosquitto's `acl_file`."""
    rights: defaultdict[str, set[AclRight]] = defaultdict(set)
    lines: dict[str, int] = {}
    user = ANONYMOUS
    for number, line in enumerate(text.splitlines(), start=1):
        keyword, _, rest = line.strip().partition(" ")
        if keyword == "user":
            user = rest.strip()
            rights[user], lines[user] = rights[user], lines.get(user, number)
        elif keyword in ("topic", "pattern"):
            lines.setdefault(user, number)
            rights[user] |= set(_parse_rights(keyword, rest.strip()))
    return {user: frozenset(given) for user, given in rights.items()}, lines


def _parse_rights(keyword: str, rest: str) -> Iterator[AclRight]:
    access, _, topic = rest.partition(" ")
    if access not in _GIVES:
        access, topic = "readwrite", rest  # Mosquitto's own default
    for given in _GIVES[access]:
        yield given, (f"pattern {topic}" if keyword == "pattern" else topic).strip()


def _rights(lines: Iterator[AclRight]) -> frozenset[AclRight]:
    return frozenset((given, topic) for how, topic in lines for given in _GIVES[how])


def _rights_text(rights: frozenset[AclRight]) -> str:
    shown = [f"{how} {topic}" for how, topic in sorted(rights)]
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")  # noqa: PLR2004  a line for a person

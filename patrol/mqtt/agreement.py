"""Do the broker's installed files agree with people.csv? Read-only; says each difference in words.

What `accounts.write` would make is compared with what lies in the broker's directory, account by
account and right by right: the order of lines and comments count for nothing. A right too many is
as much a difference as one too few.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from patrol.domain.registry import Registry
from patrol.mqtt.accounts import ACL, PASSWD, MqttAccount, accounts, acl_lines

ANONYMOUS: Final = ""
Right = tuple[str, str]  # read or write, topic
_READ, _WRITE = "read", "write"
_GIVES: Final = {
    "read": (_READ,), "write": (_WRITE,), "readwrite": (_READ, _WRITE), "deny": ("deny",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """One account of one file."""

    file: Path
    line: int  # 1: the file as a whole
    words: str


def differences(folder: Path, site: str, registry: Registry) -> list[Difference]:
    """All of them, in the files' order. Raises AccountsProblem: people.csv makes no accounts."""
    made = accounts(site, registry)
    found: list[Difference] = []
    for name, compare in ((ACL, _of_acl), (PASSWD, _of_passwords)):
        path = folder / name
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            words = getattr(exc, "strerror", None) or str(exc)
            found.append(Difference(path, 1, f"cannot be read: {words}"))
        else:
            found.extend(compare(path, text, made))
    return found


def _of_acl(path: Path, text: str, made: list[MqttAccount]) -> Iterator[Difference]:
    there, lines = read_acl(text)
    wanted = {account.user: _rights(acl_lines(account)) for account in made}
    for user, rights in there.items():
        if user == ANONYMOUS:
            yield Difference(path, lines[user], f"anonymous clients may {_words(rights)}")
        elif user not in wanted:
            yield Difference(path, lines[user], f"user {user}: nobody of people.csv")
        else:
            yield from _of_user(path, lines[user], user, rights, wanted[user])
    for user in wanted.keys() - there.keys():
        yield Difference(path, 1, f"user {user}: is missing, cannot read or write anything")


def _of_user(
    path: Path, line: int, user: str, there: frozenset[Right], wanted: frozenset[Right]
) -> Iterator[Difference]:
    if more := there - wanted:
        yield Difference(path, line, f"user {user}: may {_words(more)}, and should not")
    if less := wanted - there:
        yield Difference(path, line, f"user {user}: may not {_words(less)}, and should")


def _of_passwords(path: Path, text: str, made: list[MqttAccount]) -> Iterator[Difference]:
    wanted = {account.user for account in made}
    there: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        user, _, secret = line.partition(":")
        if not line.strip() or line.startswith("#"):
            continue
        there[user] = number
        if not secret.startswith("$"):
            yield Difference(path, number, f"user {user}: its password lies there in the open")
        if user not in wanted:
            yield Difference(path, number, f"user {user}: may connect, and is nobody of people.csv")
    for user in sorted(wanted - there.keys()):
        yield Difference(path, 1, f"user {user}: has no password, cannot connect")


def read_acl(text: str) -> tuple[Mapping[str, frozenset[Right]], Mapping[str, int]]:
    """(rights by user, the line where each begins) of Mosquitto's `acl_file`."""
    rights: defaultdict[str, set[Right]] = defaultdict(set)
    lines: dict[str, int] = {}
    user = ANONYMOUS
    for number, line in enumerate(text.splitlines(), start=1):
        word, _, rest = line.strip().partition(" ")
        if word == "user":
            user = rest.strip()
            rights[user], lines[user] = rights[user], lines.get(user, number)
        elif word in ("topic", "pattern"):
            lines.setdefault(user, number)
            rights[user] |= set(_right(word, rest.strip()))
    return {user: frozenset(given) for user, given in rights.items()}, lines


def _right(word: str, rest: str) -> Iterator[Right]:
    access, _, topic = rest.partition(" ")
    if access not in _GIVES:
        access, topic = "readwrite", rest  # Mosquitto's own default
    for given in _GIVES[access]:
        yield given, (f"pattern {topic}" if word == "pattern" else topic).strip()


def _rights(lines: Iterator[Right]) -> frozenset[Right]:
    return frozenset((given, topic) for how, topic in lines for given in _GIVES[how])


def _words(rights: frozenset[Right]) -> str:
    shown = [f"{how} {topic}" for how, topic in sorted(rights)]
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")  # noqa: PLR2004  a line for a person

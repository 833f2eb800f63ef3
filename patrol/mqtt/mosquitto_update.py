"""Bring the broker's generated files up to date with the people as they are now.

`patrol mosquitto write` makes the files; from then on the service keeps them, whenever people.csv,
grids.csv or the calendar of leave moves: new people get a password, leavers lose their account,
rights follow the routes, and who takes over another's account gets a new password for it. Everybody
else keeps the line of `patrol.passwd` that the broker knows, also where the password was struck out
of the hand-out after it was given. Nothing is written while nothing differs, and nothing in a
directory without a hand-out: those files came from elsewhere.

An embedded broker reads them at once. Mosquitto reads them again at a SIGHUP (docs/operations.md).
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import structlog

from patrol.domain.registry import Registry
from patrol.logs import LastReason
from patrol.mqtt.mosquitto_files import (
    ACL,
    HANDOUT,
    PASSWD,
    SALT_BYTES,
    AccountsProblem,
    MqttAccount,
    acl_text,
    broker_accounts,
    draw_password,
    handed_out_passwords,
    handout_text,
    passed_on_accounts,
    password_line,
    write_site_owned,
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatedFiles:
    """What `update_mosquitto_files` changed; all empty where nothing differed."""

    files: tuple[str, ...] = ()
    new: tuple[str, ...] = ()  # users whose password has to be handed out
    gone: tuple[str, ...] = ()


def update_mosquitto_files(
    folder: Path, site: str, registry: Registry, *, draw: Callable[[str], str] = secrets.choice
) -> UpdatedFiles:
    """Write what differs from the registry as it is now. Raises AccountsProblem, OSError."""
    if not (folder / HANDOUT).is_file():
        return UpdatedFiles()
    found = broker_accounts(site, registry)
    lines, passwords = _password_lines(folder), handed_out_passwords(folder / HANDOUT)
    for user in passed_on_accounts(folder / HANDOUT, found):
        lines.pop(user, None)
        passwords.pop(user, None)
    new = [a.user for a in found if a.user not in lines and a.user not in passwords]
    passwords |= {user: draw_password(draw) for user in new}
    texts = {
        PASSWD: _passwd_text(found, lines, passwords),
        ACL: acl_text(found),
        HANDOUT: handout_text(found, passwords),
    }
    changed = {name: text for name, text in texts.items() if text != _read(folder / name)}
    for name, text in changed.items():
        write_site_owned(folder / name, text, owner=folder.parent.stat())
    users = {account.user for account in found}
    return UpdatedFiles(
        files=tuple(changed), new=tuple(new), gone=tuple(u for u in lines if u not in users)
    )


def _passwd_text(found: list[MqttAccount], lines: dict[str, str], passwords: dict[str, str]) -> str:
    """The accounts' lines: those that are known as they are."""

    def line(user: str) -> str:
        return lines.get(user) or password_line(
            user, passwords[user], secrets.token_bytes(SALT_BYTES)
        )

    return "".join(f"{line(account.user)}\n" for account in found)


def _password_lines(folder: Path) -> dict[str, str]:
    """The lines of `patrol.passwd` by user."""
    text = _read(folder / PASSWD) or ""
    return {line.partition(":")[0]: line for line in text.splitlines() if ":" in line}


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None


class BrokerFiles:
    """The generated files of a site, brought up to date when the registry is another one.

    They lie where `mqtt.broker_files` says, or beside the configuration from where somebody
    installs them; a directory without a hand-out is left alone.
    """

    def __init__(self, site: str, *folders: Path | None) -> None:
        self._site = site
        self._folders = [folder for folder in dict.fromkeys(folders) if folder is not None]
        self._known: Registry | None = None
        self._one_at_a_time = Lock()
        self._last_problem = LastReason()

    def follow(self, registry: Registry) -> None:
        """Write what differs; a problem is logged once and tried again at the next change."""
        with self._one_at_a_time:
            if registry is not self._known:
                self._known = registry
                for folder in self._folders:
                    self._update(folder, registry)

    def _update(self, folder: Path, registry: Registry) -> None:
        try:
            updated = update_mosquitto_files(folder, self._site, registry)
        except (AccountsProblem, OSError) as exc:
            if self._last_problem.changes_to(str(exc)):
                log.warning("the broker's files stay as they were", reason=str(exc))
            return
        self._last_problem.changes_to("")
        if updated.files:
            log.info(
                "the broker's files follow the people", files=updated.files, new=updated.new,
                gone=updated.gone,
            )  # fmt: skip

"""The site that a command works on: its configuration, its store, or the composed application.

And the signals that stop a command that runs. `app_of` imports `patrol.app`, which takes as long as
everything else here together, only when a command wants it.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, cast

import typer

if TYPE_CHECKING:
    from patrol.app import Application
    from patrol.domain.camera import Camera
    from patrol.domain.registry import Registry
    from patrol.domain.schedule import Stoppage
    from patrol.domain.stored_texts import StoredTexts
    from patrol.settings import RetentionSettings, Site
    from patrol.settings.site_names import SiteNames
import signal
import threading
from types import FrameType

from patrol.cli.options import config_directory, operator
from patrol.cli.output import bad_input, console, print_json
from patrol.clock import SystemClock, TrustedClock
from patrol.domain.reader_language import reader_language, translate
from patrol.store import (
    Store,
    StoreFull,
    StoreUnavailable,
    UnitOfWork,
    open_store,
)

SHORT_ID_DIGITS: Final = 6
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndAction:
    """How a numbered row of one kind (a maintenance, a suppression) is ended, and its texts."""

    end: Callable[[UnitOfWork, int, str, datetime], bool]  # False: no such row is in force
    done: str  # `ended`: the key of `--json`
    done_zh: str
    none: str  # printed behind a number that is in force nowhere


def site_of(context: typer.Context) -> "Site":
    """Load the site that `-c` names. Raises ConfigProblems."""
    from patrol.settings import load_site  # noqa: PLC0415  pydantic and every section: 0.3 s

    return load_site(config_directory(context))


def site_for_lists(context: typer.Context) -> "Site":
    """The site without the areas of its cameras, for a verb that shows rows of the store.

    Raises ConfigProblems.
    """
    from patrol.settings import load_site  # noqa: PLC0415  see site_of

    return load_site(config_directory(context), with_areas=False)


def site_names(context: typer.Context) -> "SiteNames":
    """The site as far as a list of rows needs it: its database, its clock, names by id.

    Raises ConfigProblems, of every file, where the settings that it reads are not plainly there.
    """
    from patrol.settings.site_names import load_site_names, names_of  # noqa: PLC0415  see site_of

    found = load_site_names(config_directory(context))
    return found if found is not None else names_of(site_for_lists(context))


def people_names(context: typer.Context) -> "tuple[SiteNames, Registry]":
    """The site for a list of people, grids or leave. Raises ConfigProblems, of every file."""
    from patrol.settings.registry_names import load_people_names  # noqa: PLC0415  see site_of

    return _names_with(context, load_people_names, lambda site: site.registry)


def camera_names(context: typer.Context) -> "tuple[SiteNames, Registry]":
    """The site for a list of cameras: those, and their grids. Raises ConfigProblems."""
    from patrol.settings.registry_names import load_camera_names  # noqa: PLC0415  see site_of

    def load(names: "SiteNames") -> "Registry | None":
        return load_camera_names(names, os.environ)

    return _names_with(context, load, lambda site: site.registry)


def maintenance_windows(context: typer.Context) -> "tuple[SiteNames, Sequence[Stoppage]]":
    """The site, and the maintenance that its calendar names. Raises ConfigProblems."""
    from patrol.settings.registry_names import load_maintenance  # noqa: PLC0415  see site_of

    return _names_with(context, load_maintenance, lambda site: site.settings.calendar.maintenance)


def retention_settings(context: typer.Context) -> "tuple[SiteNames, RetentionSettings]":
    """The site, and how long it keeps what. Raises ConfigProblems."""
    from patrol.settings.registry_names import load_retention  # noqa: PLC0415  see site_of

    return _names_with(context, load_retention, lambda site: site.settings.retention)


def _names_with(
    context: typer.Context,
    load: "Callable[[SiteNames], T | None]",
    part_of: "Callable[[Site], T]",
) -> "tuple[SiteNames, T]":
    """What `load` reads of the site's own files; where it is not plainly there, the whole site."""
    from patrol.settings.site_names import load_site_names, names_of  # noqa: PLC0415  see site_of

    names = load_site_names(config_directory(context))
    found = load(names) if names is not None else None
    if names is not None and found is not None:
        return names, found
    site = site_for_lists(context)
    return names_of(site), part_of(site)


def names_if_any(context: typer.Context) -> "SiteNames | None":
    """As `site_names`; None where there is no site.yaml yet. Raises ConfigProblems."""
    exists = (config_directory(context) / "site.yaml").exists()
    return site_names(context) if exists else None


def site_if_any(context: typer.Context) -> "Site | None":
    """The site that `-c` names; None where there is no site.yaml yet. Raises ConfigProblems."""
    if not (config_directory(context) / "site.yaml").exists():
        return None
    return site_of(context)


def database_of(site: "Site | SiteNames") -> str:
    """The URL of the site's database. Raises DataElsewhere."""
    from patrol.settings.site_paths import check_old_places  # noqa: PLC0415  see site_of

    check_old_places(site, Path.cwd())
    return site.settings.database


@contextmanager
def store_of(site: "Site | SiteNames") -> Iterator[Store]:
    """Open the store, with the site's key where there is one; nothing is made.

    Raises DataElsewhere, StoreUnavailable, KeyProblem.
    """
    from patrol.settings.site_keys import read_site_key  # noqa: PLC0415  see site_of

    with open_store(database_of(site)) as store:
        site_key = read_site_key(site.settings, os.environ)
        if site_key is not None:
            store.unlock(site_key)
        yield store


def trusted_clock(store: Store) -> TrustedClock:
    """The clock that the service on this store goes by, for a verb that runs for a while."""
    with store.begin_read() as uow:
        return TrustedClock.of_record(SystemClock(), uow.clock.get())


def trusted_now(uow: UnitOfWork) -> datetime:
    """The time that the service on this store goes by: a wall clock that jumped dates nothing."""
    return TrustedClock.of_record(SystemClock(), uow.clock.get()).now()


def trusted_now_of(store: Store) -> datetime:
    """As `trusted_now`, in a transaction of its own."""
    with store.begin_read() as uow:
        return trusted_now(uow)


def camera_named(site: "Site", text: str) -> "Camera":
    """The one camera of this id, or with these last digits. Raises BadInput where it is not one."""
    cameras = site.registry.cameras
    found = [camera for id_, camera in cameras.items() if id_ == text]
    if not found and len(text) == SHORT_ID_DIGITS:
        found = [camera for id_, camera in cameras.items() if id_.endswith(text)]
    if not found:
        bad_input(
            f"camera {text!r}: not in cameras.csv, give its 20 digits or the last {SHORT_ID_DIGITS}"
        )
    if len(found) > 1:
        bad_input(f"camera {text!r}: {len(found)} cameras end so, give all 20 digits")
    return found[0]


def end_by_number(
    context: typer.Context, number: int, action: EndAction, *, by: str, as_json: bool
) -> None:
    """End the row of this number in one transaction and print that. Raises BadInput without one."""
    who = operator(by)
    with store_of(site_of(context)) as store, store.begin() as uow:
        ended = action.end(uow, number, who, trusted_now(uow))
        uow.commit()
    if not ended:
        bad_input(f"{number}: {action.none}")
    if as_json:
        print_json({action.done: number, "by": who})
    else:
        console().print(f"{number} {translate(action.done_zh, action.done)}", markup=False)


RELAY_WITHIN_S: Final = 2.0  # a person waits no longer for a broker; the outbox does


@contextmanager
def app_of(
    context: typer.Context,
    *,
    wait_s: float = 0.0,
    stop: threading.Event | None = None,
    create_store: bool = False,
) -> Iterator["Application"]:
    """Build the application and close it afterwards.

    `create_store`: for `patrol run` and `patrol round`, which make or upgrade the database.
    With `stop` an unreachable database is waited for, at most `wait_s` seconds or until `stop`.
    Raises ConfigProblems, DataElsewhere, StoreUnavailable.
    """
    from patrol.app import StartupWait, build  # noqa: PLC0415  0.6 s, which most verbs save

    startup_wait = StartupWait(limit_s=wait_s, stop=stop) if stop is not None else None
    with build(
        site_of(context),
        config_dir=config_directory(context),
        startup_wait=startup_wait,
        create_store=create_store,
    ) as app:
        with suppress(StoreUnavailable, StoreFull):  # the command itself says so, if it matters
            app.check_clock()
        yield app


@contextmanager
def cleaning_up_on_signals() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP end the command as Ctrl-C does: through its cleanup."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # a test's runner: only the main thread may take signals
        return
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def until_signalled() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; a second Ctrl-C ends the process at once."""
    stop = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop  # a test's runner: only the main thread may take signals
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stored_texts_of(site: "Site | SiteNames") -> "StoredTexts":
    """What the service stored, for the reader at the terminal: the site's clock, names."""
    from patrol.domain.stored_texts import StoredTexts  # noqa: PLC0415  where stored texts are shown

    registry = getattr(site, "registry", None)
    people: dict[str, str] = {}
    if registry is None:
        grids = dict(cast("SiteNames", site).grids)
    else:
        people = {str(person.id): person.name for person in registry.people.values()}
        grids = {str(code): grid.name for code, grid in registry.tree.grids.items()}
    return StoredTexts(
        language=reader_language(),
        zone=site.settings.site.tz,
        person=lambda who: people.get(who, who),
        grid=lambda code: grids.get(code, code),
    )

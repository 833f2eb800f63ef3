"""Log lines: readable ones on a terminal, one JSON object a line for a log collector.

Readable ones are in the language of the reader at the terminal, and their times in the site's zone
(`set_log_zone`; before a site is known, the machine's); JSON is English and UTC for every reader.
Lines of other people's libraries keep their authors' words. Every line, our own or a library's
`logging`, passes `without_secrets`, so that a password that slips into an error's text does not get
into a file that lives for years.
"""

import logging
import re
from collections.abc import MutableMapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, TextIO

import structlog

from patrol.domain.log_labels import EVENTS, FIELDS, LEVELS
from patrol.domain.problem_texts import problem_text
from patrol.domain.reader_language import reader_language
from streams.url_secrets import HIDDEN, hide_credentials, hide_login_parameters

_PARAMETERS: Final = re.compile(
    r"(?i)([?&;](?=[a-z_]{0,60}?(?:sign|key)=)[a-z_]{1,80}+=)[^&\s\"']+"
)
_BEARER: Final = re.compile(
    r"(?i)\b(bearer|basic|digest)\s+[a-z0-9._~+/=-]{8,}|\bpatrol_[\w-]{20,}"
)
_SECRET_NAMES: Final = re.compile(r"(?i)password|passwd|secret|token|authorization|cookie")
_UTC_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_EXCEPTIONS: Final = ("exc_info", "stack_info")  # what the renderer formats itself
_EVENT_COLUMNS: Final = {"zh": 16, "en": 30}  # a Chinese character takes two columns
Event = MutableMapping[str, Any]


class _LogZone:
    """The zone of the times that are shown to people; None is the machine's own."""

    zone: tzinfo | None = None


def set_log_zone(zone: tzinfo | None) -> None:
    """Show the times of readable lines in the zone of this process's site."""
    _LogZone.zone = zone


class LastReason:
    """The reason that was logged last: something that lasts is logged once, when it changes.

    For one thread at a time; an empty reason means that nothing is wrong.
    """

    def __init__(self) -> None:
        self._reason = ""

    def changes_to(self, reason: str) -> bool:
        """Keep the reason; whether it differs from the one before."""
        is_changed, self._reason = reason != self._reason, reason
        return is_changed


def without_secrets(_logger: object, _method: str, event: Event) -> Event:
    """A structlog processor: hides credentials in any field, by its name or by its pattern."""
    for name, value in event.items():
        event[name] = HIDDEN if _SECRET_NAMES.search(name) else _redacted(value)
    return event


def _redacted(value: Any) -> Any:
    """A field without secrets: numbers as they are, lists as lists, anything else as text."""
    if isinstance(value, int | float | bool | None):
        return value
    if isinstance(value, list | tuple):
        return [_redacted(one) for one in value]
    return redact_text(str(value))


def redact_text(text: str) -> str:
    """The text without user:password@, token parameters and authorization headers."""
    text = hide_credentials(text)
    if "=" in text:
        text = hide_login_parameters(text)
        text = _PARAMETERS.sub(rf"\1{HIDDEN}", text)
    return _BEARER.sub(HIDDEN, text)


def configure(out: TextIO, level: int, *, for_people: bool, colors: bool = False) -> None:
    """Lines from `level` up go to `out`. `for_people`: readable lines; otherwise JSON."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any] = (
        [without_secrets_but_exceptions, in_readers_language, _people_renderer(colors=colors)]
        if for_people
        else [
            structlog.processors.format_exc_info,
            without_secrets,
            structlog.processors.JSONRenderer(ensure_ascii=False, sort_keys=True),
        ]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    _route_stdlib_logging(out, level, [*shared, structlog.stdlib.ExtraAdder()], last)


def _people_renderer(*, colors: bool) -> structlog.dev.ConsoleRenderer:
    """Tracebacks are plain: the rich ones print local variables, and those may hold an address."""
    styles = structlog.dev.ConsoleRenderer.get_default_level_styles(colors)
    in_chinese = {LEVELS[name]: style for name, style in styles.items() if name in LEVELS}
    return structlog.dev.ConsoleRenderer(
        colors=colors,
        exception_formatter=structlog.dev.plain_traceback,
        level_styles={**styles, **in_chinese},
        pad_level=reader_language() != "zh",
        pad_event_to=_EVENT_COLUMNS[reader_language()],
    )


def in_readers_language(_logger: object, _method: str, event: Event) -> Event:
    """A structlog processor: times in the site's zone, and for a Chinese reader Chinese."""
    shown: Event = {name: _times_shown(value) for name, value in event.items()}
    if reader_language() != "zh":
        return shown
    text = str(shown.pop("event", ""))
    level = str(shown.pop("level", ""))
    kept = {name: shown.pop(name) for name in ("timestamp", *_EXCEPTIONS) if name in shown}
    return {
        **kept,
        "level": LEVELS.get(level, level),
        "event": EVENTS.get(text) or problem_text(text, "zh"),
        **{FIELDS.get(name, name): _value_in_chinese(value) for name, value in shown.items()},
    }


def _value_in_chinese(value: Any) -> Any:
    if isinstance(value, list):
        return [_value_in_chinese(one) for one in value]
    return problem_text(value, "zh") if isinstance(value, str) else value


def _times_shown(value: Any) -> Any:
    """A value with its RFC 3339 times as a clock of the site shows them."""
    if not isinstance(value, str):
        return value
    return _UTC_TIME.sub(lambda found: _local_time(found.group()), value)


def _local_time(text: str) -> str:
    at = datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC)
    return f"{at.astimezone(_LogZone.zone):%Y-%m-%d %H:%M:%S}"


def without_secrets_but_exceptions(logger: object, method: str, event: Event) -> Event:
    """The same where a renderer formats the exception itself."""
    kept = {name: event.pop(name) for name in _EXCEPTIONS if name in event}
    cleaned = without_secrets(logger, method, event)
    cleaned.update(kept)
    return cleaned


class _StdlibHandler(logging.StreamHandler[TextIO]):
    """Our handler, so that configuring twice does not log everything twice."""


def _route_stdlib_logging(out: TextIO, level: int, before: list[Any], last: list[Any]) -> None:
    """Lines of the `logging` module come out in the same form."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _StdlibHandler)]:
        root.removeHandler(handler)
    handler = _StdlibHandler(out)
    handler.setLevel(max(level, logging.WARNING))  # libraries log too much below it
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root.addHandler(handler)

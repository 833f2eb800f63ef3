"""Log lines: readable ones on a terminal, one JSON object a line for a log collector.

Every line, our own or a library's `logging`, passes `without_secrets` last, so that a password that
slips into an error's text does not get into a file that lives for years.
"""

import logging
import re
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog

from streams.url_secrets import HIDDEN, hide_credentials, hide_login_parameters

_PARAMETERS: Final = re.compile(
    r"(?i)([?&;](?=[a-z_]{0,60}?(?:sign|key)=)[a-z_]{1,80}+=)[^&\s\"']+"
)
_BEARER: Final = re.compile(
    r"(?i)\b(bearer|basic|digest)\s+[a-z0-9._~+/=-]{8,}|\bpatrol_[\w-]{20,}"
)
_SECRET_NAMES: Final = re.compile(r"(?i)password|passwd|secret|token|authorization|cookie")
Event = MutableMapping[str, Any]


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
    # Tracebacks are plain: the rich ones print local variables, and those may hold an address.
    last: list[Any] = (
        [
            without_secrets_but_exceptions,
            structlog.dev.ConsoleRenderer(
                colors=colors, exception_formatter=structlog.dev.plain_traceback
            ),
        ]
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


def without_secrets_but_exceptions(logger: object, method: str, event: Event) -> Event:
    """The same where a renderer formats the exception itself."""
    kept = {name: event.pop(name) for name in ("exc_info", "stack_info") if name in event}
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

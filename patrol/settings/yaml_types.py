"""The types of values in the YAML files, as pydantic types whose errors name the fix. Pure.

`error_message` turns pydantic's own errors into the product's text.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import time
from ipaddress import ip_network
from typing import Annotated, Any, Final, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import ErrorDetails

from patrol.domain.camera import DailyHours
from patrol.domain.ids import camera_id_problem, grid_code_problem, plain_id_problem
from patrol.settings.config_file import did_you_mean

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)
DATABASES: Final = ("sqlite", "postgresql+psycopg")


class SettingsSection(BaseModel):
    """A mapping of a YAML file: unknown settings are errors, and `true` is no number."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, coerce_numbers_to_str=True, allow_inf_nan=False
    )

    @field_validator("*", mode="wrap")
    @classmethod
    def _reject_boolean_as_number(
        cls, value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        """Python takes True for 1; `connections: true` is a mistake."""
        wanted = cls.model_fields[str(info.field_name)].annotation
        found = (
            _boolean_problem(value) if _has_number(wanted) and not _mentions(wanted, bool) else None
        )
        if found is not None:
            raise ValueError(found)
        return validate(value)


def _boolean_problem(value: Any) -> str | None:
    """What is wrong where true or false stands in it, in a list or a mapping too."""
    if isinstance(value, bool):
        return f"{str(value).lower()} is not a number"
    inner: Iterable[tuple[str, Any]] = ()
    if isinstance(value, dict):
        inner = ((f"{name}: ", part) for name, part in value.items())
    elif isinstance(value, list):
        inner = (("", part) for part in value)
    found = ((name, _boolean_problem(item)) for name, item in inner)
    return next((f"{name}{wrong}" for name, wrong in found if wrong is not None), None)


def _has_number(kind: Any) -> bool:
    return _mentions(kind, int) or _mentions(kind, float)


def _mentions(kind: Any, wanted: type) -> bool:
    return kind is wanted or any(_mentions(argument, wanted) for argument in get_args(kind))


def clock_time(value: object) -> time:
    """`HH:MM` of the site's wall clock."""
    match = _CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a time of day, write it as 09:00")
    return time(int(match.group(1)), int(match.group(2)))


def daily_hours(value: object) -> tuple[DailyHours, ...]:
    """`22:00-06:00` (may span midnight), or a list of such."""
    windows = value if isinstance(value, list) else [value]
    return tuple(_daily_hours_of(window) for window in windows)


def _daily_hours_of(value: object) -> DailyHours:
    ends = re.split(r"\s*[-–~至]\s*", value.strip()) if isinstance(value, str) else []
    if len(ends) != 2:  # noqa: PLR2004  a start and an end
        raise ValueError(f"{value!r} are not hours, write 22:00-06:00")
    if ends[1] == "24:00":
        ends[1] = "00:00"
    return DailyHours(start=clock_time(ends[0]), end=clock_time(ends[1]))


def plain_id(value: str) -> str:
    """An identifier that is safe in an MQTT topic and in a file name."""
    if (reason := plain_id_problem(value)) is not None:
        raise ValueError(reason)
    return value


def grid_code(value: str) -> str:
    """A grid's code, as grids.csv has it: 15 digits."""
    if (reason := grid_code_problem(value)) is not None:
        raise ValueError(reason)
    return value


def camera_id(value: str) -> str:
    """A camera's id, as cameras.csv has it: a 20-digit code of GB/T 28181."""
    if (reason := camera_id_problem(value)) is not None:
        raise ValueError(reason)
    return value


def zone_name(value: str) -> str:
    """A time zone of the IANA data base."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{value!r} is not a time zone, write e.g. Asia/Shanghai") from None
    return value


def division_code(value: str) -> str:
    """An administrative division code."""
    if value and not re.fullmatch(r"[0-9]{6,12}", value, re.ASCII):
        raise ValueError(f"{value!r} is not a division code, write 6 to 12 digits in quotes")
    return value


def database_url(value: str) -> str:
    """A database URL of SQLite or PostgreSQL; errors never quote it."""
    scheme, separator, rest = value.partition("://")
    if scheme in ("postgres", "postgresql"):
        raise ValueError(f"scheme {scheme!r} does not name the driver, write postgresql+psycopg://")
    if not separator or scheme not in DATABASES or not rest.strip("/"):
        raise ValueError(
            "not a database this product knows, write sqlite:///PATH or postgresql+psycopg://…"
        )
    if scheme == "sqlite" and (wrong := _sqlite_problem(rest)) is not None:
        raise ValueError(f"{wrong}, write sqlite:///PATH")
    return value


def _sqlite_problem(rest: str) -> str | None:
    """What is wrong behind `sqlite://`; None for a slash and the path of a file."""
    path = rest[1:]
    if not rest.startswith("/"):
        return "a database of SQLite has no host: two slashes, and a third before the path"
    if path == ":memory:" or path.startswith("file:"):
        return "a database in memory forgets and `file:` is not read"
    if "?" in path:
        return "options behind `?` are not read"
    if path.endswith("/") or path.rpartition("/")[2] in (".", ".."):
        return "this is a directory, not a file"
    if any(ord(character) < ord(" ") for character in path):
        return "there is a control character in it"
    return None


def broker_url(value: str) -> str:
    """`embedded`, or mqtt(s)://host[:port] without credentials."""
    if value == "embedded":
        return value
    try:
        parts = urlsplit(value)
        has_host, credentials = bool(parts.hostname), parts.username is not None
        port = parts.port
    except ValueError:
        raise ValueError("the host or the port cannot be read, write mqtt://HOST:1883") from None
    if credentials:
        raise ValueError("holds credentials, move them to username and password_file")
    if port == 0:
        raise ValueError("port 0 is no broker's, write mqtt://HOST:1883")
    more = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in ("mqtt", "mqtts") or not has_host or more:
        raise ValueError("not a broker, write mqtt://HOST:1883, mqtts://HOST:8883 or embedded")
    return value


def tiles_url(value: str) -> str:
    """URL template of the map's tiles."""
    scheme, separator, rest = value.partition("://")
    plain = separator and scheme in ("http", "https") and not set(rest) & set(" ;,'\"")
    if value and not (plain and all(placeholder in rest for placeholder in ("{z}", "{x}", "{y}"))):
        raise ValueError("is no address of tiles, write https://HOST/{z}/{x}/{y}.png")
    return value


def proxy_network(value: str) -> str:
    """A proxy whose `X-Forwarded-For` is trusted: an address or network, never all."""
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"{value!r} is no address, write 127.0.0.1 or 10.0.0.0/24") from None
    if network.prefixlen == 0:
        raise ValueError(f"{value!r} believes everybody, name the proxy's own address")
    return value


ClockTime = Annotated[time, BeforeValidator(clock_time)]
DailyHoursList = Annotated[tuple[DailyHours, ...], BeforeValidator(daily_hours)]
PlainId = Annotated[str, AfterValidator(plain_id)]
GridText = Annotated[str, AfterValidator(grid_code)]
CameraIdKey = Annotated[str, BeforeValidator(str), AfterValidator(camera_id)]
ZoneName = Annotated[str, AfterValidator(zone_name)]
Division = Annotated[str, AfterValidator(division_code)]
DatabaseUrl = Annotated[str, AfterValidator(database_url)]
TilesUrl = Annotated[str, AfterValidator(tiles_url)]
Proxy = Annotated[str, AfterValidator(proxy_network)]
BrokerUrl = Annotated[str, AfterValidator(broker_url)]

_EXPECTED: Final[Mapping[str, str]] = {
    "int_type": "a whole number", "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number", "float_parsing": "a number", "finite_number": "a number",
    "bool_type": "true or false", "bool_parsing": "true or false",
    "string_type": "a text", "list_type": "a list: [ … ]", "tuple_type": "a list: [ … ]",
    "dict_type": "a mapping `name: value`", "model_type": "a mapping `name: value`",
    "model_attributes_type": "a mapping `name: value`", "path_type": "a path",
    "frozen_set_type": "a list: [ … ]",
}  # fmt: skip
_BOUND: Final[Mapping[str, tuple[str, str]]] = {
    "greater_than": ("more than", "gt"), "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"), "less_than_equal": ("at most", "le"),
}  # fmt: skip


_SECRET_SETTING: Final = re.compile(r"(?i)passw|secret|token|(?:^|_)key|url")  # quoted nowhere


def error_message(error: ErrorDetails, known: list[str]) -> str:
    """One of pydantic's errors as the product's text; `known` are the settings beside it."""
    kind, context = error["type"], error.get("ctx", {})
    is_secret = any(_SECRET_SETTING.search(str(name)) for name in error["loc"])
    given = "this value" if is_secret else _short(error["input"])
    if kind == "extra_forbidden":
        return f"unknown setting{did_you_mean(str(error['loc'][-1]), known)}"
    if kind == "missing":
        return "is missing, add it"
    if kind == "value_error":
        return str(context["error"])
    if kind in _EXPECTED:
        return f"{given} is not {_EXPECTED[kind]}"
    return f"{given} {_range_problem(kind, context) or error['msg']}"


def _range_problem(kind: str, context: Mapping[str, Any]) -> str:
    if kind in _BOUND:
        bound, name = _BOUND[kind]
        return f"is out of range, give {bound} {context[name]:g}"
    if kind in ("literal_error", "enum"):
        return f"is unknown, give one of {context['expected']}"
    if kind in ("too_short", "string_too_short"):
        return f"is too short, give at least {context['min_length']}"
    if kind == "string_too_long":
        return f"is too long, give at most {context['max_length']} characters"
    return ""


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    text = repr(value)
    return text if len(text) <= 40 and "://" not in text else "this value"  # noqa: PLR2004  a line

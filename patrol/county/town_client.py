"""Asks one town over HTTPS with its key, and judges the answer before anything is kept of it.

An answer is bounded in bytes and in time as a whole, redirects are not followed (the key would go
along), proxies of the environment are not used. What does not fit the models of
patrol/web/api/county_documents.py is refused by its field's name, never quoted.

TownFailed.problem says whose move it is:

UNREACHABLE, CERTIFICATE   network or certificate -> tried again by itself
KEY_REFUSED, WRONG_TOWN    county.yaml, or a new key of the town -> people
NO_OFFER                   the town has to be upgraded
BUSY                       tried again by itself
BAD_ANSWER                 not what a town says -> people
OWN_STORE                  our own database -> tried again by itself
"""

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum, auto
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from patrol import __version__
from patrol.web.api.county_documents import CountyChanges, CountyNow

D = TypeVar("D", bound=BaseModel)
API_PATH: Final = "/api/v1/county"
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024  # a page of 200 days is 400 kB
MAX_FIELDS_NAMED: Final = 3


class TownProblem(StrEnum):
    """Why a town could not be read; the values are public."""

    UNREACHABLE = auto()
    CERTIFICATE = auto()
    KEY_REFUSED = auto()
    NO_OFFER = auto()
    WRONG_TOWN = auto()
    BUSY = auto()
    BAD_ANSWER = auto()
    OWN_STORE = auto()


class TownFailed(Exception):
    """The town could not be read; one line, without the key and without its answer's text."""

    def __init__(self, problem: TownProblem, text: str) -> None:
        super().__init__(text)
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class TownAccess:
    """A town's id, address and key; the key does not print."""

    id: str
    url: str
    key: str = field(repr=False)
    ca_file: Path | None = None


_PROBLEM_OF_STATUS: Final[dict[int, TownProblem]] = {
    HTTPStatus.UNAUTHORIZED: TownProblem.KEY_REFUSED,
    HTTPStatus.FORBIDDEN: TownProblem.KEY_REFUSED,
    HTTPStatus.NOT_FOUND: TownProblem.NO_OFFER,
    HTTPStatus.METHOD_NOT_ALLOWED: TownProblem.NO_OFFER,
    HTTPStatus.REQUEST_TIMEOUT: TownProblem.BUSY,
    HTTPStatus.TOO_MANY_REQUESTS: TownProblem.BUSY,
}


class TownClient:
    """The HTTP client of one town; one request at a time."""

    def __init__(
        self,
        town: TownAccess,
        *,
        timeout_s: float,
        monotonic_s: Callable[[], float],
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`transport`: another way to the town than the network. Raises TownFailed."""
        self.town = town
        self._timeout_s, self._monotonic_s = timeout_s, monotonic_s
        self._http = httpx.Client(
            base_url=f"{town.url}{API_PATH}",
            headers={
                "Authorization": f"Bearer {town.key}",
                "Accept": "application/json",
                "User-Agent": f"patrol-county/{__version__}",
            },
            timeout=timeout_s,
            verify=_trusted(town) if town.url.startswith("https:") else True,
            follow_redirects=False,
            trust_env=False,
            transport=transport,
        )

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def changes(self, cursor: str, *, limit: int) -> CountyChanges:
        """The page behind the cursor ("": from the beginning). Raises TownFailed."""
        query = {"after": cursor, "limit": limit}
        return self._ask("/changes", query, CountyChanges)

    def now(self) -> CountyNow:
        """What is so at the town just now. Raises TownFailed."""
        return self._ask("/now", {}, CountyNow)

    def _ask(self, path: str, query: dict[str, Any], kind: type[D]) -> D:
        with _network_errors():
            body = self._body(path, query)
        try:
            document = kind.model_validate(json.loads(body))
        except ValidationError as exc:
            raise TownFailed(TownProblem.BAD_ANSWER, f"{path}: {_wrong_fields(exc)}") from None
        except (ValueError, RecursionError):
            raise TownFailed(TownProblem.BAD_ANSWER, f"{path}: is no JSON") from None
        site = getattr(document, "site", None)
        if site != self.town.id:
            text = f"answers as {site!r}; county.yaml calls it {self.town.id!r}"
            raise TownFailed(TownProblem.WRONG_TOWN, text)
        return document

    def _body(self, path: str, query: dict[str, Any]) -> bytes:
        """The answer's bytes, whole. Raises TownFailed, httpx.HTTPError."""
        until_s = self._monotonic_s() + self._timeout_s
        body = bytearray()
        with self._http.stream("GET", path, params=query) as answer:
            if answer.status_code != HTTPStatus.OK:
                raise TownFailed(_problem_of(answer.status_code), f"HTTP {answer.status_code}")
            for part in answer.iter_bytes():
                body += part
                if len(body) > MAX_ANSWER_BYTES:
                    text = f"{path}: is larger than {MAX_ANSWER_BYTES >> 20} MB"
                    raise TownFailed(TownProblem.BAD_ANSWER, text)
                if self._monotonic_s() > until_s:
                    text = f"no whole answer within {self._timeout_s:g} s"
                    raise TownFailed(TownProblem.UNREACHABLE, text)
        return bytes(body)


def _trusted(town: TownAccess) -> ssl.SSLContext:
    """The system's authorities, or the one that county.yaml names. Raises TownFailed."""
    context = ssl.create_default_context()
    if town.ca_file is not None:
        try:
            context.load_verify_locations(town.ca_file)
        except (OSError, ssl.SSLError):
            text = f"{town.ca_file} holds no certificate in PEM"
            raise TownFailed(TownProblem.CERTIFICATE, text) from None
    return context


@contextmanager
def _network_errors() -> Iterator[None]:
    """Raise what httpx raises as TownFailed."""
    try:
        yield
    except httpx.TimeoutException as exc:
        raise TownFailed(TownProblem.UNREACHABLE, f"no answer in time ({_kind(exc)})") from exc
    except httpx.DecodingError as exc:
        raise TownFailed(TownProblem.BAD_ANSWER, "its compression is broken") from exc
    except httpx.HTTPError as exc:
        problem = TownProblem.UNREACHABLE
        if "CERTIFICATE_VERIFY_FAILED" in str(exc):
            problem = TownProblem.CERTIFICATE
        raise TownFailed(problem, " ".join(str(exc).split()) or _kind(exc)) from exc


def _kind(exc: Exception) -> str:
    return type(exc).__name__


def _problem_of(status: int) -> TownProblem:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TownProblem.BUSY
    return _PROBLEM_OF_STATUS.get(status, TownProblem.BAD_ANSWER)


def _wrong_fields(exc: ValidationError) -> str:
    """The fields that do not fit; nothing of what they hold."""
    errors = exc.errors(include_url=False, include_context=False, include_input=False)
    named = [f"{_place(error['loc'])}: {error['type']}" for error in errors[:MAX_FIELDS_NAMED]]
    more = len(errors) - MAX_FIELDS_NAMED
    return "; ".join(named) + (f"; +{more}" if more > 0 else "")


def _place(location: tuple[int | str, ...]) -> str:
    """Numbers and the names of our own fields; a key of a mapping may be anybody's text."""
    parts = (str(part) for part in location[:3])
    return ".".join(part if part.isidentifier() or part.isdecimal() else "?" for part in parts)

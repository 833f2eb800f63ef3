"""A judged visit as plain data on its way from a worker to the recorder, and back.

Pixels are no part of it: pictures and references are named by the sha256 of their content, which
lies in the exchange. What a worker sends is checked like any input from outside: the camera and the
round that it speaks of must be those it was delivered for. Fields that this version does not know
are ignored, those that it misses have their defaults: workers may be one version apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from math import nan
from typing import Any, Final

from pydantic import ConfigDict, TypeAdapter, ValidationError

from patrol.domain.ids import CameraId, RoundId, Sha256
from patrol.domain.observation import Light, Observation
from patrol.domain.round import Visit
from patrol.rounds.visit_judge import JudgedVisit

_MEASURED: Final = ("value", "threshold")  # of observations: NaN where nothing was measured


class ResultUnreadable(ValueError):
    """A delivered result that is none; the text says why in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitResult:
    """A judged visit, its references named by their content."""

    visit: Visit
    observations: tuple[Observation, ...] = ()
    sampled_at: datetime | None = None
    taught: Mapping[Light, Sha256] = field(default_factory=dict)  # references after this visit
    based_on: Mapping[Light, str] = field(default_factory=dict)  # those that it was judged against

    @property
    def pictures(self) -> tuple[Sha256, ...]:
        """The pictures that lie in the exchange for it."""
        return tuple(picture.sha256 for picture in self.visit.pictures)

    @property
    def blobs(self) -> frozenset[Sha256]:
        """Everything that lies in the exchange for it."""
        return frozenset((*self.pictures, *self.taught.values()))


def result_of(
    visited: JudgedVisit, *, taught: Mapping[Light, Sha256], based_on: Mapping[Light, str]
) -> VisitResult:
    """The result of a judged visit whose references were uploaded as `taught`."""
    return VisitResult(
        visit=visited.visit,
        observations=visited.observations,
        sampled_at=visited.sampled_at,
        taught=taught,
        based_on=based_on,
    )


def result_to_data(result: VisitResult) -> dict[str, Any]:
    """The result as JSON-compatible data; numbers that are none become null."""
    data: dict[str, Any] = _adapter().dump_python(result, mode="json")
    return data


def result_from_data(data: Mapping[str, Any], round_id: RoundId, camera: CameraId) -> VisitResult:
    """The result delivered for this camera in this round. Raises ResultUnreadable."""
    try:
        result = _adapter().validate_python(_with_missing_numbers(data))
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ResultUnreadable(f"{where}: {first['msg']}") from None
    if result is None:
        raise ResultUnreadable("there is no result")
    visit = result.visit
    owners = {visit.camera, *(one.camera for one in visit.pictures)}
    owners |= {one.camera for one in result.observations}
    rounds = {visit.round, *(one.round for one in result.observations)}
    if owners != {camera} or rounds != {round_id}:
        raise ResultUnreadable(f"it speaks of {sorted(owners)} in {sorted(map(str, rounds))}")
    for moment in (visit.started_at, visit.finished_at):
        if moment.tzinfo is None:
            raise ResultUnreadable("visit: a moment without its time zone")
    return result


@cache
def _adapter() -> TypeAdapter[VisitResult | None]:
    """Made at the first result: building it costs 50 ms.

    Of `VisitResult | None`: a dataclass alone would have to bring its configuration along.
    """
    return TypeAdapter(VisitResult | None, config=ConfigDict(extra="ignore"))


def _with_missing_numbers(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data with NaN again where JSON has null: a gauge that measured nothing."""
    visit, observations = data.get("visit"), data.get("observations")
    if not isinstance(visit, Mapping) or not isinstance(observations, list):
        return dict(data)
    readings = visit.get("readings")
    if isinstance(readings, Mapping):
        visit = {**visit, "readings": {name: _number(one) for name, one in readings.items()}}
    seen = [
        {**one, **{name: _number(one.get(name)) for name in _MEASURED}}
        for one in observations
        if isinstance(one, Mapping)
    ]
    return {**data, "visit": visit, "observations": seen}


def _number(value: object) -> object:
    return nan if value is None else value

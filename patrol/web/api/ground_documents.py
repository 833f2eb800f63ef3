"""Documents of the API's ground routes: patrols on the ground, check-ins, helpers' reports."""

from typing import Annotated, Any

from pydantic import Field

from patrol.domain.helping import HelperStep
from patrol.web.api.documents import Document, Finding


class GroundPoint(Document):
    """One point of a patrol."""

    point: str
    name: str
    kind: str = Field(description="grid, key_site, railway")
    due: str
    state: str = Field(description="pending, done, late, review, missed")
    at: str | None
    late_notified_at: str | None
    check_in: str | None


class GroundCheckIn(Document):
    """One check-in; where the person was is nowhere, only how far from the point."""

    id: str
    patrol: str
    point: str
    by: str
    method: str = Field(description="qr, nfc, location, operator")
    claimed_at: str
    received_at: str
    at: str = Field(description="which of both counts")
    is_claimed: bool = Field(description="the phone's time counts: it had no network")
    distance_m: float | None
    accuracy_m: float | None
    state: str = Field(description="accepted, review, rejected")
    problems: list[str]
    seen: str
    finding: str | None
    decided_by: str | None
    decided_at: str | None
    decision_note: str


class GroundPatrolDocument(Document):
    """One patrol on the ground; a single one has its check-ins."""

    id: str
    plan: str
    number: str = Field(description="of the plan's pattern")
    title: str
    day: str
    grid: str
    people: list[str]
    state: str = Field(description="planned, running, completed, incomplete, missed")
    open_from: str
    planned_at: str
    finish_by: str
    started_at: str | None
    ended_at: str | None
    key_area: str | None
    planned: int
    done: int
    late: int
    review: int
    missed: int
    pending: int
    points: list[GroundPoint]
    check_ins: list[GroundCheckIn] | None = None


class Place(Document):
    """Where a phone says that it is; used for the distance, then dropped."""

    longitude: float = Field(ge=-180, le=180)
    latitude: float = Field(ge=-90, le=90)
    accuracy_m: float = Field(ge=0, lt=1e7)


class CheckInAtPoint(Document):
    """A check-in for a person: by `code`, by `location`, or entered by an operator (neither)."""

    key: str = Field(min_length=1, max_length=64, description="a repeat changes nothing")
    person: str = Field(max_length=64, description="person_id of people.csv")
    point: str = Field("", max_length=64)
    code: str = Field("", max_length=400, description="what the QR code or the tag says")
    client_at: str = Field("", max_length=40, description="the phone's time; now without it")
    location: Place | None = None
    seen: str = Field("", max_length=500)


class DecideCheckIn(Document):
    """Whether a check-in that waits is believed; `note` says why not."""

    accept: bool
    note: str = Field("", max_length=500)


class PlanDay(Document):
    """Which local day is planned at once."""

    day: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", examples=["2026-11-22"])]


class OpenToHelpers(Document):
    """Whether helpers of the grid see the case."""

    open: bool
    note: str = Field("", max_length=500)


class HelperReportDocument(Document):
    """A report from the ground and what became of it."""

    finding: Finding
    outcome: str = Field(description="waiting, under_way, settled, not_followed")
    case: str | None


class HelperStepTaken(Document):
    """What a helper of people.csv does about a case that is open to helpers."""

    person: str = Field(max_length=64)
    step: HelperStep
    note: str = Field("", max_length=500)


class EnterReport(Document):
    """A report from the ground (随手拍), entered for a helper."""

    key: str = Field(min_length=1, max_length=64, description="the sender's own, against repeats")
    grid: str = Field(max_length=15)
    category: str = Field("other", max_length=64)
    text: str = Field(min_length=1, max_length=500)
    place: str = Field("", max_length=200)


class HelperReportFiled(Document):
    """The finding that was filed; `repeated`: its key was seen before."""

    finding: str | None
    repeated: bool


class PointCode(Document):
    """What a point's QR code and its tag say."""

    point: str
    name: str
    version: int
    qr: str
    nfc: str


class GroundCoverage(Document):
    """Cameras and points that were covered, side by side."""

    villages: list[dict[str, Any]]
    key_areas: list[dict[str, Any]]

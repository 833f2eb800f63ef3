"""The documents of the API as OpenAPI describes them; patrol.reports.documents makes them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from patrol.domain.finding import DismissReason
from patrol.domain.priority import Level


class Document(BaseModel):
    """A document that has the named fields and no others."""

    model_config = ConfigDict(extra="forbid")


class CaseEvent(Document):
    """One line of a case's history."""

    at: str
    by: str
    claimed: str | None = None  # a name that only the payload says
    what: str
    note: str
    state: str


class HoldOrder(Document):
    """An order under which nothing of a case or a camera is deleted."""

    number: int
    scope: str
    subject: str
    reference: str
    reason: str
    since: str
    set_by: str
    in_force: bool
    ended_at: str | None
    ended_by: str | None
    ended_why: str | None


class SetHold(BaseModel):
    """What to hold, by which order and why."""

    scope: Literal["case", "camera"]
    subject: str = Field(max_length=64)
    reference: str = Field(max_length=120)
    reason: str = Field(max_length=500)


class EndHold(BaseModel):
    """Why the hold ends."""

    reason: str = Field(max_length=500)


class Held(Document):
    """Why and until when the case's message is held back."""

    why: str
    since: str
    until: str


class CaseSupervision(Document):
    """Who put the case under supervision, why, and until when."""

    by: str
    at: str
    why: str
    due: str


class Case(Document):
    """A confirmed finding or a report of a grid leader, with its state and history."""

    id: str = Field(examples=["C20261122-0007"])
    grid: str
    state: str
    level: str
    category: str
    due: str | None
    camera: str | None
    place: str
    finding: str | None
    found_at: str
    dispatched_at: str
    rung: int
    count: int
    note: str
    tags: list[str]
    open_to_helpers: bool = Field(description="helpers（群防群治） of the grid see it")
    supervision: CaseSupervision | None
    held: Held | None
    suspended_since: str | None
    events: list[CaseEvent]


class Message(Document):
    """One message about a case and the times of its receipts; None: not received."""

    key: str
    grid: str | None
    state: str
    clears: bool
    queued: str
    published: str | None = Field(description="first handed to the broker")
    broker_acked: str | None
    device_received: str | None
    opened: str | None
    acknowledged: str | None


class ConfirmedCase(Case):
    """A case just opened, and what of its note is masked before it goes to phones."""

    warnings: list[str] = Field(default_factory=list)


class CaseAndMessages(Case):
    """A case with its messages and their receipts."""

    gauge: str | None = Field(description="as of its finding; null: no gauge saw it")
    messages: list[Message]


class SecondSight(Document):
    """The result of the visit that was made after a reviewer was unsure."""

    at: str
    why: str


class Finding(Document):
    """A problem that the machine proposes and a person confirms or dismisses."""

    id: str = Field(examples=["F000123"])
    camera: str
    kind: str
    score: float
    found_at: str
    why: str
    gauge: str | None = Field(
        description="the model or gauge that saw it, with its version; null: a person or an outage",
        examples=["blur/2", "yolox_nano/615e2661"],
    )
    grid: str
    category: str
    level: str
    state: str
    zone: str
    count: int
    round: str | None
    case: str | None
    decided_by: str | None
    decided_at: str | None
    reason: str | None
    filed_by: str | None = Field(description="the person who saw it; null: the machine did")
    filed_from: str | None = Field(description="wall, round, live, camera, phone, patrol, rotation")
    place: str | None
    again: SecondSight | None


class Round(Document):
    """One round over the cameras of a plan; a single round has the totals of its visits."""

    round: str = Field(examples=["20261122-morning-1"])
    plan: str
    day: str
    state: str
    reason: str
    planned_at: str
    started_at: str | None
    finished_at: str | None
    finish_by: str
    planned: int
    refused: int
    refusals: dict[str, int]
    pending: int | None = None
    seen: int | None = None
    not_viewable: int | None = None
    missed: int | None = None
    failures: dict[str, int] | None = None
    pictures: int | None = None
    observations: int | None = None
    findings: int | None = None


class Health(Document):
    """The health of a camera, since when and why."""

    state: str
    since: str | None
    why: str


class Camera(Document):
    """A camera without its address and its household."""

    id: str
    name: str
    grid: str
    place: str
    link: str
    placement: str
    priority: str
    consent: str
    consent_until: str | None
    tags: list[str]
    lon: float | None
    lat: float | None
    health: Health


class CameraConsent(Document):
    """What stands for a camera beside the registry's consent."""

    camera: str
    withdrawn: bool
    withdrawn_at: str | None
    paused_until: str | None
    hours: str | None


class ConsentChange(BaseModel):
    """A change of a consent."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["withdraw", "restore", "pause", "resume", "hours"]
    until: str = Field(
        default="", max_length=25, description="Of a pause: 2026-11-22T18:00 or 2026-11-22."
    )
    hours: str = Field(
        default="", max_length=80, description="08:00-12:00,14:00-18:00; empty: at any hour."
    )
    why: str = Field(default="", max_length=200)


class Report(Document):
    """A round's, a day's or a month's figures and ledger, as `patrol report --format json`."""

    report: Literal["round", "day", "month"]
    period: str
    site: str
    made_at: str
    header: dict[str, Any]
    figures: list[dict[str, Any]]
    rounds: list[dict[str, Any]]
    columns: list[str]
    rows: list[dict[str, Any]]
    grids: list[dict[str, Any]]
    cameras: list[dict[str, Any]]
    anchor: dict[str, dict[str, Any]]  # of a day: number and hash of each log's last line


class Confirm(Document):
    """What a confirmation may change or add."""

    category: str | None = Field(None, max_length=64)
    level: Level | None = None
    note: str = Field("", max_length=500)
    phoned: str = Field("", max_length=200, description="level I: who was phoned first")


class Dismiss(Document):
    """Why the finding is no problem."""

    reason: DismissReason


class Problem(Document):
    """An error: its status, its message, and what it is about."""

    error: int
    message: str = Field(alias="words")
    detail: str = ""

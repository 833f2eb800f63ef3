"""Documents of the API's town routes as OpenAPI describes them: own findings, duties of rounds."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from patrol.domain.finding import FilingSource
from patrol.domain.priority import Level
from patrol.web.api.documents import Case, Document, Finding

Share = Annotated[float, Field(ge=0, le=1)]


class FileFinding(Document):
    """An own finding: what a person saw or was told, outside of the machine's."""

    category: str = Field(max_length=64, examples=["dumping"])
    source: FilingSource = FilingSource.PHONE
    camera: str | None = Field(None, max_length=20)
    grid: str | None = Field(None, max_length=15, description="where there is no camera")
    level: Level | None = Field(None, description="null: the rules' level of the category")
    box: tuple[Share, Share, Share, Share] | None = Field(
        None, description="x, y, width, height as shares of the picture"
    )
    text: str = Field("", max_length=500)
    picture: str | None = Field(None, max_length=64)
    round: str | None = Field(None, max_length=64)
    place: str = Field("", max_length=200)
    to: Literal["queue", "case"] = "queue"
    phoned: str = Field("", max_length=200, description="level I: who was phoned first")
    patrol: str | None = Field(
        None, max_length=80, description="the human patrol whose camera it is; `source` is patrol"
    )
    account: str | None = Field(None, max_length=64, description="who works that patrol")


class FiledFindingDocument(Document):
    """The own finding as filed, and the case that was opened or counted; null: it waits."""

    finding: Finding
    case: Case | None


class UndoDecision(Document):
    """Why a decision is taken back."""

    note: str = Field("", max_length=500)


class LeaveUnsure(Document):
    """What is doubtful; another person decides."""

    reason: str = Field("", max_length=500)


class FindingEvent(Document):
    """One entry of a finding's history beside its decision."""

    at: str
    by: str
    what: str
    note: str


class StartRound(Document):
    """A round to begin now: of a plan, or ad hoc over what is named (any of the three)."""

    plan: str = Field("", max_length=64, description="ad hoc: limits its duration alone")
    grids: list[str] = Field([], max_length=1000, description="codes, with all grids below them")
    links: list[str] = Field([], max_length=1000)
    cameras: list[str] = Field([], max_length=20_000, description="full codes")


class TakeTrouble(Document):
    """Who sees to an entry of the maintenance queue."""

    person: str = Field("", max_length=64, description="person_id of people.csv; else the key")


class TroubleDocument(Document):
    """An entry of the maintenance queue; `case` has its number where a case was opened."""

    number: int
    case: str | None
    kind: str = Field(description="camera, link, village")
    subject: str
    state: str
    since: str | None
    due: str | None
    light: str
    cameras: int
    taken_by: str | None
    why: str


class RoundDuty(Document):
    """One signature on a round: signed on, or handed over; who owns it from then on."""

    round: str
    at: str
    what: str
    who: str
    to: str | None
    note: str
    owner: str


class SignRound(Document):
    """A signature to be made for an account; `to`: hand the round over to another account."""

    account: str = Field(max_length=64)
    to: str | None = Field(None, max_length=64)
    note: str = Field("", max_length=500)


class ChecklistLine(Document):
    """One item of a patrol's checklist."""

    text: str
    checked: bool


class CheckedCamera(Document):
    """What a person said of one camera of a human patrol."""

    camera: str
    checkpoint: str
    outcome: str = Field(
        description="pending, acknowledged, finding, not_viewable, seen_before, missed"
    )
    by: str | None
    at: str | None
    picture_at: str | None
    finding: str | None


class HumanPatrolTask(Document):
    """One task of a human patrol; a single one has its counts and cameras."""

    id: str
    plan: str
    title: str
    day: str
    state: str = Field(description="planned, running, paused, completed, incomplete, missed")
    open_from: str
    planned_at: str
    finish_by: str
    reminded_at: str | None
    assigned: list[str]
    started_at: str | None
    started_by: str | None
    finished_at: str | None
    start_remark: str
    end_remark: str
    refused: int
    checklist: list[ChecklistLine]
    planned: int | None = None
    done: int | None = None
    not_viewable: int | None = None
    missed: int | None = None
    pending: int | None = None
    cameras: list[CheckedCamera] | None = None


class PlanPatrol(Document):
    """Which plan of site.yaml's `patrols:`."""

    plan: str = Field(max_length=64)


class WorkPatrol(Document):
    """A move of a task for an account."""

    account: str = Field(max_length=64)
    remark: str = Field("", max_length=1000)


class TickItem(Document):
    """An item of a task's checklist, by its number from 0, ticked or not, by an account."""

    account: str = Field(max_length=64)
    item: int = Field(ge=0, le=1000)
    checked: bool = True


class CheckCamera(Document):
    """What an account says of one camera of a task."""

    account: str = Field(max_length=64)
    camera: str = Field(max_length=20)
    outcome: Literal["acknowledged", "not_viewable"] = "acknowledged"
    picture: str | None = Field(None, max_length=64)


class OverdueLine(Document):
    """One line of the overdue list."""

    case: str
    grid: str
    level: str
    category: str
    state: str
    step: str = Field(description="acknowledge, arrive, feedback, close, supervision")
    since: str
    overdue_min: int
    person: str | None
    supervised: bool
    tags: list[str]


class Supervise(Document):
    """Why, and within how many hours it is to be dealt with."""

    why: str = Field(min_length=1, max_length=500)
    hours: float = Field(gt=0, le=720)


class Urge(Document):
    """What is urged."""

    why: str = Field(min_length=1, max_length=500)


class Tags(Document):
    """The tags that a case or a grid shall have, all of them."""

    tags: list[Annotated[str, Field(max_length=24)]] = Field(max_length=12)


class GridTags(Document):
    """A grid and its tags."""

    grid: str
    tags: list[str]


class CaseMove(Document):
    """An operator's move of a case; all but `phone`, `gone` and `withdraw` need a reason."""

    move: Literal[
        "phone", "reassign", "gone", "still_there", "extend", "suspend", "void", "withdraw"
    ]
    note: str = Field("", max_length=500)
    grid: str = Field("", max_length=15, description="reassign: to which grid")
    hours: float = Field(0.0, ge=0, le=720, description="extend: how many (office) hours")

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.move not in {"phone", "gone", "withdraw"} and not self.note.strip():
            raise ValueError("note: is empty, give the reason")
        if self.move == "extend" and not self.hours:
            raise ValueError("hours: is 0, say how much longer")
        return self


class CaseDecision(Document):
    """A supervisor's decision on a case; all but `grant` and `resume` need a reason."""

    decision: Literal["grant", "refuse", "resume", "close", "reopen"]
    note: str = Field("", max_length=500)

    @model_validator(mode="after")
    def _has_a_reason(self) -> Self:
        if self.decision not in {"grant", "resume"} and not self.note.strip():
            raise ValueError("note: is empty, give the reason")
        return self


class PendingApprovalDocument(Document):
    """A request of a case or a broadcast that waits for approval."""

    case: str
    broadcast: str | None = Field(description="null: a request of the case itself")
    kind: str = Field(description="extension, suspension, void, broadcast")
    by: str
    at: str
    why: str
    hours: float | None
    close_if_granted: str | None


class VerificationDocument(Document):
    """A handled case that waits for a person's verification."""

    case: str
    level: str
    since: str
    due: str
    due_light: str
    before: str | None
    after: str | None
    machine: str
    opinion: str


class SentLists(Document):
    """How many messages were queued."""

    sent: int


class AnswerHandOff(Document):
    """A department's receipt or answer, as a person was told it."""

    event: Literal["receive", "answer"]
    text: str = Field("", max_length=1000)


class DecideBroadcast(Document):
    """Whether a broadcast that somebody else asked for is played."""

    decision: Literal["approve", "refuse"]
    text: str = Field("", max_length=200)


class GiveCase(Document):
    """To which department of site.yaml a case is handed, and why."""

    recipient: str = Field(max_length=64)
    why: str = Field(min_length=1, max_length=500)


class HandOffDocument(Document):
    """One hand-off with its receipt and answer."""

    id: str
    case: str
    recipient: str
    channel: str
    state: str = Field(description="sent, received, answered")
    by: str
    at: str
    due: str
    why: str
    received_at: str | None
    received_by: str | None
    answered_at: str | None
    answered_by: str | None
    answer: str


class AskBroadcast(Document):
    """What is to be said, by which template; another person approves it."""

    template: str = Field("", max_length=64)
    text: str = Field("", max_length=300)
    speaker: str = Field("", max_length=64)


class BroadcastDocument(Document):
    """One broadcast with who approved it and when it was played."""

    id: str
    case: str
    speaker: str
    text: str
    state: str = Field(description="asked, sent, played, refused, failed")
    by: str
    at: str
    approved_by: str | None
    approved_at: str | None
    played_at: str | None
    problem: str


class Taken(Document):
    """A signed message from outside was taken; `repeated`: it came before."""

    taken: str
    repeated: bool


class MeetingPackDocument(Document):
    """A pack for a meeting, as `patrol meeting --format json`."""

    title: str
    scope: str
    period: str
    kind: str
    site: str
    made_at: str
    figures: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    villages: list[dict[str, Any]]
    hours: list[int]
    tags: list[dict[str, Any]]
    precision: list[dict[str, Any]]
    overdue: list[dict[str, Any]]
    cases: list[dict[str, Any]]

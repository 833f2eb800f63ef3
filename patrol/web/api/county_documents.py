"""The documents that a town offers its county, as OpenAPI describes them and the county reads them.

One set of models for both sides. They admit numbers, times and identifiers, no other text: nothing
that a person typed passes. Fields of a newer version are left out by an older reader; what an older
town does not tell has a default here.
"""

from datetime import date
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from patrol.domain.priority import Level
from patrol.domain.round import RoundState
from patrol.domain.supervision import OverdueStep

FORMAT_VERSION: Final = 1  # of these documents; a newer one may add fields and nothing else
Code = Annotated[str, Field(pattern=r"^[a-z0-9_]{0,40}$")]
Ident = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,80}$")]
Cursor = Annotated[str, Field(pattern=r"^[0-9a-f.-]{0,60}$")]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
Number = Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]


class CountyDocument(BaseModel):
    """A document with the named fields; others are left out, not refused."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class CountyRound(CountyDocument):
    """A round: planned = pending + seen + not viewable + missed."""

    round: Ident = Field(examples=["20261122-morning-1"])
    plan: Ident
    adhoc: bool = False
    day: date
    state: RoundState
    reason: Code = Field(default="", description="the kind of why it was missed or interrupted")
    planned_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    finish_by: AwareDatetime
    planned: Count
    refused: Count = Field(description="cameras that may not be visited")
    pending: Count
    seen: Count
    not_viewable: Count
    missed: Count
    failures: dict[Code, Count] = Field(default_factory=dict)


class CountyFigure(CountyDocument):
    """A figure of a day: a share as part of a whole, or a count or measure (n: null)."""

    id: Code
    part: Number | None
    n: Count | None = None


class CountyMinutes(CountyDocument):
    """Minutes from dispatch until the step, of each case of the day that took it."""

    ack: list[Number] = Field(default_factory=list)
    close: list[Number] = Field(default_factory=list)


class CountyDay(CountyDocument):
    """A local day's figures (docs/county.md); shares and counts of days may be added up."""

    day: date
    over: bool = Field(description="whether the day has ended")
    refused: Count = 0
    figures: list[CountyFigure]
    minutes: CountyMinutes = CountyMinutes()


class CountyChanges(CountyDocument):
    """What changed behind the cursor, as it is now, and the cursor to go on from."""

    v: int = FORMAT_VERSION
    site: Ident
    at: AwareDatetime = Field(description="the town's clock")
    version: str = Field(default="", pattern=r"^[0-9A-Za-z.+-]{0,40}$")
    cursor: Cursor
    more: bool
    restarted: bool = Field(
        description="the cursor is not of this town's log (an older backup was restored): these "
        "are the changes from its beginning"
    )
    rounds: list[CountyRound]
    gone: list[Ident] = Field(default_factory=list, description="rounds that are no more")
    days: list[CountyDay]


class CountyOverdueCase(CountyDocument):
    """A case whose limit has passed; the town knows the rest by its id."""

    case: Ident = Field(examples=["C20261122-0007"])
    level: Level
    category: Code
    step: OverdueStep
    since: AwareDatetime
    overdue_min: int
    supervised: bool = False


class CountyOverdue(CountyDocument):
    """Cases whose limit has passed: how many of all, and the first of the list."""

    count: Count
    by_level: dict[Level, Count] = Field(default_factory=dict)
    by_step: dict[OverdueStep, Count] = Field(default_factory=dict)
    supervised: Count = 0
    cases: list[CountyOverdueCase] = Field(default_factory=list)


class CountyOpenCases(CountyDocument):
    """How many cases are open."""

    open: Count


class CountyHealth(CountyDocument):
    """Cameras by health; what the rates leave out: without consent, in maintenance, not visited."""

    registered: Count
    left_out: Count
    online: Count
    faulty: Count
    offline: Count
    troubles: Count = 0
    troubles_overdue: Count = 0


class CountyNow(CountyDocument):
    """What is so just now."""

    v: int = FORMAT_VERSION
    site: Ident
    at: AwareDatetime
    rounds: list[CountyRound] = Field(default_factory=list)
    cases: CountyOpenCases
    overdue: CountyOverdue
    health: CountyHealth

"""Documents of the API's town routes as OpenAPI describes them: own findings, duties of rounds."""

from typing import Annotated, Literal

from pydantic import Field

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


class FiledFinding(Document):
    """The own finding as filed, and the case that was opened or counted; null: it waits."""

    finding: Finding
    case: Case | None


class UndoDecision(Document):
    """Why a decision is taken back."""

    note: str = Field("", max_length=500)


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

"""One of the day's rounds in figures and words: where it stands, and when it will be done."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from patrol.console.gate import Caller
from patrol.console.pages.common import plan_words
from patrol.console.words import Words
from patrol.domain.round import PatrolPlan, Round, RoundBooks, RoundState
from patrol.store import UnitOfWork

ENOUGH_TO_FORECAST_S: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCard:
    """One of the day's rounds."""

    plan: str
    name: str
    hours: str
    state: str  # running, finished, missed, interrupted, planned, none
    state_words: str
    round: str | None
    books: RoundBooks
    forecast: str
    late: bool
    reason: str

    @property
    def coverage(self) -> str:
        """巡查覆盖率: cameras with a usable picture ÷ planned."""
        planned = self.books.planned
        return f"{100 * self.books.seen / planned:.1f}" if planned else "—"

    @property
    def done(self) -> int:
        """Visits in the books."""
        return self.books.planned - self.books.pending


def plan_card(uow: UnitOfWork, plan: PatrolPlan, day: date, caller: Caller) -> PlanCard:
    """The newest round of the plan on that day, or that there is none yet."""
    name, hours = plan.name, f"{plan.start:%H:%M}–{plan.finish_by:%H:%M}"
    newest = next((one for one in uow.rounds.of_plan(name, limit=3) if one.day == day), None)
    say = caller.say
    if newest is None:
        return PlanCard(
            plan=name, name=plan_words(name, say), hours=hours, state="none",
            state_words=say("未开始", "not begun"), round=None, books=RoundBooks(), forecast="",
            late=False, reason="",
        )  # fmt: skip
    books = uow.rounds.books(newest.id)
    forecast = forecast_of(newest, books, caller.now)
    return PlanCard(
        plan=name,
        name=plan_words(name, say),
        hours=hours,
        state=newest.state.value,
        state_words=round_state_words(newest.state, say),
        round=newest.id,
        books=books,
        forecast=_forecast_words(newest, forecast, say),
        late=forecast is not None and forecast > newest.finish_by,
        reason=newest.reason,
    )


def round_state_words(state: RoundState, say: Words) -> str:
    """`巡查中`, `running`."""
    return {
        RoundState.PLANNED: say("待开始", "planned"),
        RoundState.RUNNING: say("巡查中", "running"),
        RoundState.INTERRUPTED: say("已中断", "interrupted"),
        RoundState.FINISHED: say("已完成", "finished"),
        RoundState.MISSED: say("漏巡", "missed"),
    }[state]


def forecast_of(a_round: Round, books: RoundBooks, now: datetime) -> datetime | None:
    """When it will be done at its pace so far; None while that cannot be said."""
    if a_round.state is not RoundState.RUNNING or a_round.started_at is None:
        return None
    done, elapsed_s = books.planned - books.pending, (now - a_round.started_at).total_seconds()
    if not done or elapsed_s < ENOUGH_TO_FORECAST_S:
        return None
    return now + timedelta(seconds=books.pending * elapsed_s / done)


def _forecast_words(a_round: Round, forecast: datetime | None, say: Words) -> str:
    limit = say.time(a_round.finish_by)
    if a_round.finished_at is not None:
        at = say.time(a_round.finished_at)
        return say(f"{at} 结束 · 时限 {limit}", f"ended {at} · due {limit}")
    if forecast is None:
        return say(f"须在 {limit} 前完成", f"due by {limit}")
    return say(
        f"预计 {say.time(forecast)} · 时限 {limit}", f"at {say.time(forecast)} · due {limit}"
    )

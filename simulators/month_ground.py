"""How a month's cases went on the ground: words at the inbox, looks that found it gone."""

import json
from datetime import datetime, timedelta
from typing import Final

from patrol.dispatch.inbox import Inbox
from patrol.dispatch.verification import verified
from patrol.domain.case import Case, CaseState

STEPS: Final = ("acknowledge", "arrive", "handled")
EACH: Final = timedelta(minutes=8)
LOOKED_AFTER: Final = timedelta(minutes=30)
OLD: Final = timedelta(hours=8)  # cases of this age are verified and closed


def work(case: Case, at: datetime, *, steps: int, now: datetime, inbox: Inbox) -> None:
    """The first `steps` words of its leader; an old handled one is looked at and closed."""
    leader = case.policy.ladder[0].person
    for number, said in enumerate(STEPS[:steps], start=1):
        heard = min(at + EACH * number, now)
        body: dict[str, object] = {
            "v": 1,
            "key": f"{case.id}-{said}",
            "person": leader,
            "type": said,
            "client_at": heard.isoformat(),
        }
        if said == "handled":
            body |= {"type": "feedback", "result": "handled", "text": "已到场清理"}
        topic = f"patrol/v1/{inbox.site}/grid/{case.grid}/reply/{case.id}"
        inbox.handle(topic, json.dumps(body).encode(), heard)
    if steps == len(STEPS) and now - at > OLD:
        _verify(case, at + LOOKED_AFTER, inbox)


def _verify(case: Case, at: datetime, inbox: Inbox) -> None:
    with inbox.store.begin() as uow:
        if uow.cases.get(case.id).state is CaseState.FED_BACK:
            verified(uow, case.id, gone=True, by="patrol", now=at, announcer=inbox.announcer)
            uow.commit()

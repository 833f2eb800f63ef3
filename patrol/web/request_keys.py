"""The Idempotency-Key header of the console's scripts, as the key of a request.

A script sends an action with a random key until it has an answer (static/kept.js). The route stores
the key in its own transaction (`cases/request_keys.py`); for a repeat, app.py answers 200 with
`repeated`, unless the route itself can say what became of the first.
"""

from typing import Annotated, Final

from fastapi import Header
from pydantic import BaseModel

from patrol.cases.request_keys import RequestKey
from patrol.web.auth import CurrentUser

IDEMPOTENCY_HEADER: Final = "idempotency-key"
IdempotencyKey = Annotated[
    str, Header(alias=IDEMPOTENCY_HEADER, max_length=64, pattern=r"^[A-Za-z0-9-]{8,64}$|^$")
]


def request_key(
    user: CurrentUser, key: str, what: str, form: BaseModel | None = None
) -> RequestKey | None:
    """The key with its subject: `what` is done, and the whole form. None: the script sent none."""
    if not key:
        return None
    subject = f"{what} {form.model_dump_json() if form else ''}"
    return RequestKey(account=user.account.name, key=key, subject=subject)

"""Change a camera's consent: in force, logged, and what a withdrawal ends deleted at once."""

from datetime import datetime

from patrol.domain.consent import ACCESS_ACTION, TermsAction, TermsChange, hours_text
from patrol.domain.ids import CameraId
from patrol.households.withdrawal_journal import note_withdrawal
from patrol.pictures import FilePictureStore, remove_withdrawn
from patrol.store import Store
from patrol.store.consents import CameraTerms


def change_terms(
    store: Store,
    evidence: FilePictureStore,
    camera: CameraId,
    change: TermsChange,
    *,
    by: str,
    channel: str,
    now: datetime,
) -> CameraTerms:
    """Apply, log and commit one change; what stands after it. Raises BadTerms.

    `channel`: household link, console, api, `patrol consent`: stands in the log's reason.
    """
    with store.begin() as uow:
        uow.consents.apply(camera, change, by=by, now=now)
        uow.access.append(
            at=now, who=by, what=ACCESS_ACTION[change.action], camera=camera,
            why=": ".join(part for part in (channel, _detail(change)) if part),
        )  # fmt: skip
        stands = uow.consents.of_camera(camera, now)
        uow.commit()
    note_withdrawal(evidence.root, camera, change.action, now)
    if change.action is TermsAction.WITHDRAW:
        remove_withdrawn(store, evidence, now)
    return stands


def _detail(change: TermsChange) -> str:
    until = f"until {change.until:%Y-%m-%dT%H:%M%z}" if change.until else ""
    return " ".join(part for part in (until, hours_text(change.hours), change.why) if part)

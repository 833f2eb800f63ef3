"""A household's link in the store: the site's signing key, a camera's standing link, new ones."""

import secrets
from datetime import datetime
from typing import Final

from patrol.domain.household_link import HOUSEHOLD_LINK_KEY, HouseholdLinkSigner, new_link_id
from patrol.domain.ids import CameraId
from patrol.store import Store, UnitOfWork

KEY_BYTES: Final = 32


def household_link_signer(store: Store, base_url: str) -> HouseholdLinkSigner:
    """The signer of this site's household links; its key is made at the first use."""
    with store.begin() as uow:
        key = uow.site_keys.get_or_add(HOUSEHOLD_LINK_KEY, secrets.token_bytes(KEY_BYTES))
        uow.commit()
    return HouseholdLinkSigner(base_url=base_url, key=key)


def standing_link(uow: UnitOfWork, signer: HouseholdLinkSigner, camera: CameraId) -> str:
    """The address of the camera's link; empty where none stands."""
    known = uow.household_links.standing(camera)
    return signer.address(known.id) if known else ""


def make_link(
    uow: UnitOfWork, signer: HouseholdLinkSigner, camera: CameraId, *, by: str, now: datetime
) -> str:
    """The address of the camera's link, made and logged where none stands; the caller commits."""
    known = uow.household_links.standing(camera)
    if known is None:
        ident = new_link_id()
        known = uow.household_links.standing_or_new(camera, fresh_id=ident, by=by, now=now)
        uow.access.append(
            at=now, who=by, what="make_household_link", camera=camera, why=f"link {known.id}"
        )
    return signer.address(known.id)


def revoke_link(uow: UnitOfWork, camera: CameraId, *, by: str, now: datetime) -> bool:
    """Revoke and log; False where none stood. The caller commits."""
    known = uow.household_links.standing(camera)
    if known is None or not uow.household_links.revoke(camera, by=by, now=now):
        return False
    uow.access.append(
        at=now, who=by, what="revoke_household_link", camera=camera, why=f"link {known.id}"
    )
    return True

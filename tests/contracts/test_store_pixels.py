"""What every store promises of households' pixels: ended, expired, counted, no byte left."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from patrol.domain.camera import Refusal
from patrol.domain.consent import BadTerms, TermsAction, TermsChange, parse_hours
from patrol.domain.finding import CONSENT_WITHDRAWN, FindingState, Origin
from patrol.domain.ids import CameraId, FindingId, PictureId, Sha256
from patrol.domain.legal_hold import HoldScope, LegalHold
from patrol.domain.observation import Light
from patrol.pictures import sweep_pictures
from patrol.store import Store, check, open_store
from patrol.store.copy import copy_out
from tests.support.memory_pictures import MemoryPictureStore

DAY = timedelta(days=1)
MARKER = b"<household-pixels>"


def plant(store: Store, pictures: MemoryPictureStore, make: Any, number: int) -> None:
    """A picture file and references of one camera, each with the marker."""
    jpeg = MARKER + f"{number}".encode()
    visit = make.visit(None, camera=number)
    taken = make.picture(camera=number, sha256=pictures.put(jpeg))
    with store.begin() as unit:
        unit.rounds.record_visit(replace(visit, pictures=(taken,)))
        for light in Light:
            unit.memories.put(visit.camera, light, MARKER * 500, make.now, sampled_at=make.now)
        unit.commit()


def dumped(database: str, folder: Path) -> bytes:
    """Every byte of the database, as a backup has it."""
    folder.mkdir()
    copy_out(database, folder)
    return b"".join(file.read_bytes() for file in folder.iterdir())


def hexed(database: str) -> bytes:
    """The marker as the database's copy writes it: PostgreSQL's is text, its bytes are hex."""
    return MARKER.hex().encode() if database.startswith("postgres") else MARKER


def test_no_byte_is_left_after_a_withdrawal(database: str, make: Any, tmp_path: Path) -> None:
    pictures = MemoryPictureStore()
    with open_store(database) as store:
        for number in (1, 2):
            plant(store, pictures, make, number)
        assert dumped(database, tmp_path / "before").count(hexed(database)) > 1000
        with store.begin() as unit:
            unit.consents.withdraw(make.camera(1), by="desk", now=make.now)
            unit.commit()
        with store.begin_read() as unit:
            assert {one.place for one in unit.pixels.held(make.camera(1))} == {"pictures"}
            assert len(unit.pixels.held(make.camera(2))) == 3
        swept = sweep_pictures(store, pictures, make.now)
        assert (swept.deleted, swept.references) == (1, 0), "references went with the withdrawal"
        assert len(pictures) == 1
        assert check(store) == []
        with store.begin() as unit:
            unit.consents.withdraw(make.camera(2), by="desk", now=make.now)
            unit.commit()
        sweep_pictures(store, pictures, make.now)
        assert len(pictures) == 0
    assert hexed(database) not in dumped(database, tmp_path / "after")


def test_references_expire_after_their_newest_sample(store: Store, make: Any) -> None:
    pictures = MemoryPictureStore()
    plant(store, pictures, make, 1)
    early = sweep_pictures(store, pictures, make.now + 29 * DAY, reference_kept=30 * DAY)
    assert early.references == 0
    due = sweep_pictures(store, pictures, make.now + 30 * DAY, reference_kept=30 * DAY)
    assert (due.references, due.deleted) == (2, 1)
    with store.begin_read() as unit:
        assert unit.pixels.held(make.camera(1)) == []
        assert unit.pictures.deletions_recorded() == 3
    assert check(store) == []


def test_what_comes_after_a_withdrawal_is_due_at_once(store: Store, make: Any) -> None:
    with store.begin() as unit:
        unit.consents.withdraw(make.camera(1), by="desk", now=make.now)
        unit.commit()
    pictures = MemoryPictureStore()
    plant(store, pictures, make, 1)
    with store.begin() as unit:
        (held,) = unit.pixels.held(make.camera(1))
        assert held.purpose.endswith(", consent ended")
        picture = unit.pictures.expired(make.now)[0]
        assert not unit.pictures.keep(picture.id, purpose="before", until=make.now + 90 * DAY)
        unit.commit()
    assert check(store) == []
    assert sweep_pictures(store, pictures, make.now).deleted == 1


def test_names_that_no_row_has(store: Store, make: Any) -> None:
    pictures = MemoryPictureStore()
    plant(store, pictures, make, 1)
    (known,) = pictures._pictures
    stranger = Sha256("0" * 64)
    with store.begin_read() as unit:
        assert unit.pixels.unindexed({known, stranger}) == {stranger}


def test_pauses_and_hours_stand_until_they_end(store: Store, make: Any) -> None:
    camera, until = make.camera(1), make.now + DAY
    hours = parse_hours("08:00-18:00")
    with store.begin() as unit:
        for change in (
            TermsChange(action=TermsAction.PAUSE, until=until),
            TermsChange(action=TermsAction.HOURS, hours=hours),
        ):
            unit.consents.apply(camera, change, by="desk", now=make.now)
        unit.commit()
    with store.begin() as unit:
        terms = unit.consents.terms(make.now)
        assert terms.paused == {camera: until}
        assert terms.hours == {camera: hours}
        assert terms.refusal_of(camera, make.now) is Refusal.CONSENT_PAUSED
        assert unit.consents.terms(until).paused == {}
        later = TermsChange(action=TermsAction.PAUSE, until=until + DAY)
        unit.consents.apply(camera, later, by="desk", now=make.now)
        assert unit.consents.of_camera(camera, make.now).paused_until == until + DAY
        unit.consents.apply(camera, TermsChange(action=TermsAction.RESUME), by="x", now=make.now)
        unit.consents.apply(camera, TermsChange(action=TermsAction.HOURS), by="x", now=make.now)
        stands = unit.consents.of_camera(camera, make.now)
        assert (stands.paused_until, stands.hours) == (None, ())
        past = TermsChange(action=TermsAction.PAUSE, until=make.now)
        with pytest.raises(BadTerms, match="until"):
            unit.consents.apply(camera, past, by="desk", now=make.now)


def test_one_link_stands_for_a_camera(store: Store, make: Any) -> None:
    camera = make.camera(1)
    with store.begin() as unit:
        links = unit.household_links
        first = links.standing_or_new(camera, fresh_id="a" * 12, by="desk", now=make.now)
        again = links.standing_or_new(camera, fresh_id="b" * 12, by="desk", now=make.now)
        assert (first.id, again.id) == ("a" * 12, "a" * 12)
        assert links.revoke(camera, by="desk", now=make.now)
        assert not links.revoke(camera, by="desk", now=make.now)
        second = links.standing_or_new(camera, fresh_id="b" * 12, by="desk", now=make.now)
        assert second.id == "b" * 12
        revoked = links.get("a" * 12)
        assert revoked is not None
        assert revoked.revoked_by == "desk"
        assert links.get("c" * 12) is None


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [("08:00-18:00", "08:00", "18:00"), ("22:00-06:00", "23:30", "12:00"),
     ("08:00-09:00、20:00-24:00", "23:59", "00:00")],
)  # fmt: skip
def test_hours_are_local_and_may_span_midnight(text: str, inside: str, outside: str) -> None:
    windows = parse_hours(text)
    moments = (time.fromisoformat(inside), time.fromisoformat(outside))
    found = [any(window.contains(moment) for window in windows) for moment in moments]
    assert found == [True, False]


def hold(unit: Any, camera: CameraId, now: datetime) -> LegalHold:
    held = LegalHold(
        scope=HoldScope.CAMERA, subject=camera, reference="R-1", reason="x", since=now, set_by="a"
    )
    return cast("LegalHold", unit.holds.add(held))


def test_what_a_hold_keeps_survives_a_withdrawal_until_its_end(store: Store, make: Any) -> None:
    pictures, camera = MemoryPictureStore(), make.camera(1)
    plant(store, pictures, make, 1)
    with store.begin() as unit:
        held = hold(unit, camera, make.now)
        unit.consents.withdraw(camera, by="desk", now=make.now)
        unit.commit()
    for later in (0, 400):  # its retention ends meanwhile, too
        swept = sweep_pictures(store, pictures, make.now + later * DAY)
        assert (swept.deleted, swept.references, len(pictures)) == (0, 0, 1)
    assert check(store) == [], "kept by order is no fault"
    with store.begin_read() as unit:
        assert unit.pixels.held_after_consent() == {camera: 1 + len(Light)}
        assert not unit.pixels.due_of_withdrawn(), "nothing to do at every turn"
    with store.begin() as unit:
        assert unit.holds.end(held.number, by="a", why="over", now=make.now)
        unit.commit()
    swept = sweep_pictures(store, pictures, make.now)
    assert (swept.deleted, swept.references, len(pictures)) == (1, len(Light), 0)
    with store.begin_read() as unit:
        assert unit.pixels.held(camera) == []
        assert unit.pixels.held_after_consent() == {}


def test_a_withdrawn_households_findings_leave_the_queue_with_the_reason(
    store: Store, make: Any
) -> None:
    mine, said, other = (make.finding(number) for number in (1, 2, 3))
    mine = replace(mine, camera=make.camera(1), picture=PictureId("p"))
    said = replace(said, camera=make.camera(1), picture=None, origin=Origin.OPERATOR)
    other = replace(other, camera=make.camera(2))
    late = replace(mine, id=FindingId("F000099"))
    with store.begin() as unit:
        for one in (mine, said, other):
            unit.findings.add(one)
        unit.consents.withdraw(make.camera(1), by="desk", now=make.now)
        unit.commit()
    with store.begin() as unit:
        unit.findings.add(late)  # of a visit that was under way
        unit.commit()
    sweep_pictures(store, MemoryPictureStore(), make.now)
    with store.begin_read() as unit:
        assert {one.id for one in unit.findings.queue()} == {said.id, other.id}
        for ident in (mine.id, late.id):
            closed = unit.findings.get(ident)
            assert (closed.state, closed.reason) == (FindingState.AGED, CONSENT_WITHDRAWN)

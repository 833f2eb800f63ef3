"""The console's books keep their word on every store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from patrol.domain.account import (
    Account,
    AccountRole,
    ApiKey,
    CasePhoto,
    FindingClaim,
    LoginSession,
)
from patrol.domain.ids import CameraId, CaseId, FindingId, GridCode, MessageKey, Sha256
from patrol.domain.schedule import StoppageScope
from patrol.store import Store
from tests.support.health import put_health

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=3)


def test_an_account_comes_back_as_it_was_put(store: Store) -> None:
    account = Account(
        name="wang",
        duty=AccountRole.GRID_LEADER,
        shown_as="王网格长",
        password="$argon2id$x",
        grid=GridCode("620902104203001"),
        created_at=NOW,
    )
    with store.begin() as uow:
        uow.accounts.put(account)
        uow.accounts.put(account.locked(LATER))
        uow.commit()
    with store.begin_read() as uow:
        assert uow.accounts.get("wang") == replace(account, failures=5, locked_until=LATER)
        assert [one.name for one in uow.accounts.all()] == ["wang"]
        with pytest.raises(KeyError):
            uow.accounts.get("nobody")


def test_a_session_is_over_when_it_ended_or_was_ended(store: Store) -> None:
    session = LoginSession(id="a" * 64, account="wang", begun_at=NOW, ends_at=LATER, device="手机")
    other = replace(session, id="b" * 64, begun_at=NOW + timedelta(seconds=1))
    with store.begin() as uow:
        uow.sessions.add(session)
        uow.sessions.add(other)
        uow.sessions.add(replace(session, id="c" * 64, account="li"))
        assert uow.sessions.get(session.id, NOW) == session
        assert uow.sessions.get(session.id, LATER) is None
        assert [one.id[0] for one in uow.sessions.of_account("wang", NOW)] == ["b", "a"]
        uow.sessions.end(session.id)
        assert uow.sessions.get(session.id, NOW) is None
        assert uow.sessions.end_all("wang") == 1
        assert [one.account for one in uow.sessions.of_account(None, NOW)] == ["li"]
        assert uow.sessions.sweep(LATER) == 1


def test_two_never_hold_the_same_finding(store: Store) -> None:
    finding = FindingId("F000001")

    def take(holder: str, at: datetime) -> bool:
        with store.begin() as uow:
            until = at + timedelta(minutes=2)
            taken = uow.claims.acquire(
                FindingClaim(finding=finding, holder=holder, until=until), at
            )
            uow.commit()
        return taken

    assert take("one", NOW)
    assert not take("two", NOW + timedelta(seconds=119))
    assert take("one", NOW + timedelta(seconds=60))  # renewed: until 01:03
    assert not take("two", NOW + timedelta(seconds=121))
    assert take("two", NOW + timedelta(minutes=3))
    with store.begin() as uow:
        at = NOW + timedelta(minutes=4)
        assert {claim.holder for claim in uow.claims.active(at).values()} == {"two"}
        uow.claims.drop(finding)
        assert not uow.claims.active(at)
        uow.commit()
    assert take("one", NOW + timedelta(minutes=4))
    with store.begin() as uow:
        uow.claims.drop_all("one")
        uow.commit()
    assert take("two", NOW + timedelta(minutes=4))


def test_a_revoked_key_opens_nothing(store: Store) -> None:
    key = ApiKey(
        id="k1",
        name="report reader",
        secret="d" * 64,
        scopes=frozenset({"rounds"}),
        made_by="admin",
        made_at=NOW,
    )
    with store.begin() as uow:
        uow.api_keys.add(key)
        assert uow.api_keys.by_secret(key.secret) == key
        assert uow.api_keys.revoke("k1", LATER)
        assert not uow.api_keys.revoke("k1", LATER)
        assert uow.api_keys.by_secret(key.secret) is None
        assert uow.api_keys.all() == [replace(key, revoked_at=LATER)]


def test_a_photo_sent_twice_is_kept_once(store: Store) -> None:
    photo = CasePhoto(
        key=MessageKey("g/c/k1"), case=CaseId("C1"), sha256=Sha256("e" * 64), by="G-1", at=NOW
    )
    with store.begin() as uow:
        assert uow.case_photos.add(photo)
        assert not uow.case_photos.add(replace(photo, sha256=Sha256("f" * 64)))
        assert list(uow.case_photos.of_case(CaseId("C1"))) == [photo]
        assert list(uow.case_photos.of_case(CaseId("C2"))) == []


def test_marks_stand_still_until_something_changes(store: Store) -> None:
    with store.begin_read() as uow:
        before = uow.change_tokens.read()
    with store.begin_read() as uow:
        assert uow.change_tokens.read() == before
    with store.begin() as uow:
        put_health(uow, CameraId("62090204011327000001"), "offline", NOW, "unreachable")
        uow.commit()
    with store.begin_read() as uow:
        after = uow.change_tokens.read()
    assert after["health"] != before["health"]
    assert after["cases"] == before["cases"]
    assert after["shift"] == before["shift"]
    with store.begin() as uow:
        asked = {"scope": StoppageScope.ROUNDS, "subject": "", "start": NOW, "until": None}
        paused = uow.stoppages.add(**asked, reason="割接", by="lead", now=NOW)
        uow.commit()
    with store.begin_read() as uow:
        stopped = uow.change_tokens.read()["shift"]
    with store.begin() as uow:
        uow.stoppages.end(paused.number, by="lead", now=LATER)
        uow.commit()
    with store.begin_read() as uow:
        assert len({uow.change_tokens.read()["shift"], stopped, before["shift"]}) == 3

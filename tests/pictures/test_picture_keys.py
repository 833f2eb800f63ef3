"""Pictures at rest: noise on the disk, readable with the day's key, gone for good with it."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from patrol.domain.ids import CameraId, Sha256
from patrol.domain.legal_hold import HoldScope, LegalHold
from patrol.domain.round import StoredPicture
from patrol.encryption import DayKeys, KeyDestroyed, KeyProblem, SiteKey
from patrol.encryption.day_keys import OVERHEAD_BYTES, day_of
from patrol.picture_keys import plain_count, renew_keys
from patrol.pictures import FilePictureStore, PictureDamaged, sweep_pictures
from patrol.store import Store
from tests.support.store import new_store

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)
DAY = timedelta(days=1)
CAMERA = CameraId("62090204011327000001")
SITE_KEY = SiteKey(b"k" * 32, "test")
PLANTED = b"\xff\xd8 a planted picture \xff\xd9" * 40


class Place:
    """A picture store with keys beside it, and its index."""

    def __init__(self, root: Path) -> None:
        self.root, self.store = root, new_store()
        self.keys = DayKeys(root / "keys", SITE_KEY)
        self.pictures = self.opened(self.keys)

    def opened(self, keys: DayKeys | None) -> FilePictureStore:
        return FilePictureStore(self.root / "evidence", reserve_bytes=0, keys=keys)

    def add(self, jpeg: bytes, due: datetime, purpose: str = "sample") -> StoredPicture:
        stored = StoredPicture(
            sha256=self.pictures.put(jpeg, until=due), camera=CAMERA, taken_at=due - 7 * DAY,
            width_px=1, height_px=1, bytes=len(jpeg), purpose=purpose, delete_after=due,
        )  # fmt: skip
        with self.store.begin() as uow:
            uow.pictures.add(stored)
            uow.commit()
        return stored

    def upkeep(self, now: datetime) -> None:
        sweep_pictures(self.store, self.pictures, now)
        renew_keys(self.store, self.pictures, now)

    def file_of(self, stored: StoredPicture) -> Path:
        return next(self.root.rglob(f"{stored.sha256}.jpg"))

    def all_bytes(self) -> bytes:
        files = (path for path in self.root.rglob("*") if path.is_file())
        return b"".join(path.read_bytes() for path in files)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_disk_holds_no_byte_of_a_planted_picture(place: Place) -> None:
    stored = place.add(PLANTED, NOW + 7 * DAY)
    everything = place.all_bytes()
    assert PLANTED[:16] not in everything
    assert b"planted" not in everything
    assert SITE_KEY.secret not in everything
    assert place.pictures.get(stored.sha256) == PLANTED
    assert place.file_of(stored).stat().st_size == len(PLANTED) + OVERHEAD_BYTES


def test_files_and_folders_are_the_user_s_own_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        place = Place(tmp_path / "site")
        place.add(PLANTED, NOW + DAY)
    finally:
        os.umask(before)
    modes = {p.stat().st_mode & 0o777 for p in place.root.rglob("*") if p.is_file()}
    assert modes == {0o600}
    assert (place.root / "keys").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("change", ["byte", "day", "name"])
def test_what_somebody_altered_is_no_evidence(place: Place, change: str) -> None:
    stored, other = place.add(PLANTED, NOW + 7 * DAY), place.add(b"other", NOW + 8 * DAY)
    file = place.file_of(stored)
    data = bytearray(file.read_bytes())
    if change == "byte":
        data[-1] ^= 1
    elif change == "day":
        data[4:14] = place.file_of(other).read_bytes()[4:14]
    else:
        data = bytearray(place.file_of(other).read_bytes())
    file.write_bytes(data)
    with pytest.raises(PictureDamaged):
        place.pictures.get(stored.sha256)


def test_without_the_key_there_is_no_picture(place: Place, tmp_path: Path) -> None:
    stored = place.add(PLANTED, NOW + 7 * DAY)
    with pytest.raises(KeyProblem, match="site's key"):
        place.opened(None).get(stored.sha256)
    thief = DayKeys(tmp_path / "keys", SiteKey(b"x" * 32, "a guess"))
    with pytest.raises(Exception, match="right key"):
        place.opened(thief).get(stored.sha256)


def test_a_copy_of_the_disk_is_noise_once_the_day_is_over(place: Place) -> None:
    """Crypto-shredding: what a thief copied before cannot be opened with today's keys."""
    stored = place.add(PLANTED, NOW)
    copied = place.file_of(stored).read_bytes()
    place.upkeep(NOW + timedelta(hours=1))
    assert place.keys.days()  # its day is not over: another picture may still fall due on it
    place.upkeep(NOW + DAY)
    assert place.keys.days() == []
    fresh = DayKeys(place.keys.folder, SITE_KEY)
    with pytest.raises(KeyDestroyed):
        fresh.decrypt(copied, name=stored.sha256)
    assert not list((place.root / "evidence").rglob("*.jpg"))


def test_evidence_outlives_the_day_of_its_sample(place: Place) -> None:
    stored = place.add(PLANTED, NOW)
    with place.store.begin() as uow:
        assert uow.pictures.keep(stored.id, purpose="evidence", until=NOW + 180 * DAY)
        uow.commit()
    place.upkeep(NOW + DAY)
    assert place.keys.days() == [(NOW + 180 * DAY).date()]
    assert place.pictures.get(stored.sha256) == PLANTED


def test_shared_bytes_follow_the_picture_that_lives_longest(place: Place) -> None:
    first = place.add(PLANTED, NOW)
    second = place.add(PLANTED, NOW + 3 * DAY)
    assert first.sha256 == second.sha256
    place.upkeep(NOW + DAY)
    assert place.pictures.get(second.sha256) == PLANTED
    place.upkeep(NOW + 5 * DAY)
    with pytest.raises(KeyError):
        place.pictures.get(second.sha256)


def test_a_file_that_no_row_names_goes_with_its_key(place: Place) -> None:
    orphan = place.pictures.put(PLANTED, until=NOW)
    place.upkeep(NOW + DAY)
    assert place.keys.days() == []
    with pytest.raises(KeyError):
        place.pictures.get(orphan)


def test_pictures_of_an_earlier_version_are_encrypted(place: Place) -> None:
    plain = place.opened(None)
    sha256 = plain.put(PLANTED)
    stored = StoredPicture(
        sha256=sha256, camera=CAMERA, taken_at=NOW, width_px=1, height_px=1, bytes=1,
        purpose="sample", delete_after=NOW + 7 * DAY,
    )  # fmt: skip
    with place.store.begin() as uow:
        uow.pictures.add(stored)
        uow.commit()
    assert place.pictures.get(sha256) == PLANTED  # readable meanwhile
    assert plain_count(place.pictures) == 1
    assert renew_keys(place.store, place.pictures, NOW).encrypted == 1
    assert plain_count(place.pictures) == 0
    assert PLANTED[:16] not in place.all_bytes()
    assert place.pictures.get(sha256) == PLANTED


def hold(store: Store, scope: HoldScope, subject: str) -> LegalHold:
    order = LegalHold(
        scope=scope, subject=subject, reference="酒公(治)调 12 号", reason="核查", since=NOW,
        set_by="supervisor",
    )  # fmt: skip
    with store.begin() as uow:
        made = uow.holds.add(order)
        uow.commit()
    return made


@pytest.fixture
def held(place: Place) -> tuple[Place, StoredPicture, LegalHold]:
    stored = place.add(PLANTED, NOW)
    return place, stored, hold(place.store, HoldScope.CAMERA, CAMERA)


def test_a_legal_hold_keeps_picture_and_key_until_a_person_ends_it(
    held: tuple[Place, StoredPicture, LegalHold],
) -> None:
    place, stored, order = held
    for days in (1, 40, 90):
        place.upkeep(NOW + days * DAY)
        assert place.pictures.get(stored.sha256) == PLANTED
    with place.store.begin() as uow:
        assert uow.holds.end(order.number, by="supervisor", why="结案", now=NOW + 91 * DAY)
        uow.commit()
    place.upkeep(NOW + 92 * DAY)
    with pytest.raises(KeyError):
        place.pictures.get(stored.sha256)
    with place.store.begin_read() as uow:
        assert uow.pictures.get(stored.id) is None


def test_a_sweep_leaves_the_keys_alone_however_old(place: Place) -> None:
    place.add(PLANTED, NOW + 200 * DAY)
    long_ago = (NOW - 300 * DAY).timestamp()
    for path in place.keys.folder.iterdir():
        os.utime(path, (long_ago, long_ago))
    place.upkeep(NOW + 100 * DAY)
    assert len(place.keys.days()) == 1


def test_an_upkeep_that_was_killed_is_simply_done_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = place.add(PLANTED, NOW)
    with place.store.begin() as uow:
        uow.pictures.keep(stored.id, purpose="evidence", until=NOW + 9 * DAY)
        uow.commit()

    def killed(*_args: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(DayKeys, "destroy", killed)
        with pytest.raises(KeyboardInterrupt):
            place.upkeep(NOW + DAY)
    place.upkeep(NOW + DAY)
    assert place.pictures.get(stored.sha256) == PLANTED
    assert place.keys.days() == [(NOW + 9 * DAY).date()]


def test_a_picture_that_cannot_be_renewed_keeps_its_key(place: Place) -> None:
    stored, sound = place.add(PLANTED, NOW), place.add(b"sound", NOW)
    for one in (stored, sound):
        with place.store.begin() as uow:
            uow.pictures.keep(one.id, purpose="evidence", until=NOW + 9 * DAY)
            uow.commit()
    file = place.file_of(stored)
    file.write_bytes(file.read_bytes()[:-1])
    result = renew_keys(place.store, place.pictures, NOW + DAY)
    assert (result.failed, result.renewed, result.destroyed) == (1, 1, ())


@pytest.mark.parametrize("data", [b"", b"PTP1", b"PTP12026-13-45", b"\xff\xd8\xff"])
def test_what_is_no_encrypted_file_is_plain(data: bytes) -> None:
    assert day_of(data) is None


def test_a_name_is_checked_before_a_key_is_looked_for(place: Place) -> None:
    with pytest.raises(KeyError):
        place.pictures.get(Sha256("../../etc/passwd"))
    assert replace(SITE_KEY, place="x").fingerprint == SITE_KEY.fingerprint

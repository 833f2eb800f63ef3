"""What the database's owner can read and forge without the site's key: nothing, and not unseen."""

import json
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from patrol.domain.access_log import EMPTY_CHAIN_HASH, chain_hash
from patrol.domain.audit_anchor import Anchor, BadAnchor, ChainHead, read_anchors
from patrol.domain.ids import CameraId
from patrol.domain.observation import Light
from patrol.encryption import KeyProblem, SealBroken, SiteKey
from patrol.store import Store, check, open_store
from patrol.store.credentials import StreamCredential
from streams.address import StreamChoice
from tests.support.store import copy_template

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)
CAMERA, OTHER = CameraId("62090204011327000001"), CameraId("62090204011327000002")
KEY = SiteKey(b"k" * 32, "test")
PASSWORD = "Hik-planted-7!"
PICTURE = b"\xff\xd8\xff planted reference \xff\xd9" * 50
LOGS = frozenset({"access_log", "deletions", "handovers"})


@pytest.fixture
def url(tmp_path: Path) -> str:
    copy_template(tmp_path / "patrol.db")
    return f"sqlite:///{tmp_path}/patrol.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        opened.adopt_key(KEY)
        yield opened


def all_bytes(url: str) -> bytes:
    file = Path(url.removeprefix("sqlite:///"))
    return b"".join(part.read_bytes() for part in file.parent.glob(f"{file.name}*"))


def log(store: Store, count: int, *, at: datetime = NOW) -> None:
    with store.begin() as uow:
        for number in range(count):
            uow.access.append(
                at=at, who="op", what="view_picture", camera=CAMERA, why=f"because {number}"
            )
        uow.commit()


def credential(camera: CameraId = CAMERA, host: str = "192.0.2.7") -> StreamCredential:
    return StreamCredential(
        camera=camera, stream=StreamChoice.MAIN, host=host, port=554, password=PASSWORD
    )


def test_no_byte_of_a_password_or_a_reference_is_in_the_database(store: Store, url: str) -> None:
    with store.begin() as uow:
        uow.credentials.put(credential(), by="op", now=NOW)
        uow.memories.put(CAMERA, Light.DAY, PICTURE, NOW)
        uow.commit()
    everything = all_bytes(url)
    assert PASSWORD.encode() not in everything
    assert b"planted reference" not in everything
    assert KEY.secret not in everything
    with store.begin_read() as uow:
        assert uow.credentials.all()[CAMERA, StreamChoice.MAIN].password == PASSWORD
        assert uow.memories.get(CAMERA, Light.DAY) == PICTURE


def test_references_of_an_earlier_version_are_sealed_and_their_old_pages_are_gone(url: str) -> None:
    with open_store(url) as old:
        with old.begin() as uow:
            uow.memories.put(CAMERA, Light.DAY, PICTURE, NOW)
            uow.commit()
        assert b"planted reference" in all_bytes(url)
        old.adopt_key(KEY)
        with old.begin_read() as uow:
            assert uow.memories.get(CAMERA, Light.DAY) == PICTURE
        assert b"planted reference" not in all_bytes(url)


def test_a_sealed_row_opens_nowhere_else(store: Store, url: str) -> None:
    """An owner who copies a row to his own camera, or to his own server, gets no password."""
    with store.begin() as uow:
        uow.credentials.put(credential(), by="op", now=NOW)
        uow.memories.put(CAMERA, Light.DAY, PICTURE, NOW)
        uow.commit()
    change(url, "UPDATE stream_credentials SET host = '203.0.113.9'")
    change(url, "UPDATE memories SET camera = '62090204011327000002'")
    with store.begin_read() as uow:
        with pytest.raises(SealBroken, match="right key"):
            uow.credentials.all()
        with pytest.raises(SealBroken, match="memory of"):
            uow.memories.get(OTHER, Light.DAY)


def test_another_key_is_refused_in_one_line(store: Store, url: str) -> None:
    with open_store(url) as again, pytest.raises(KeyProblem, match="is not the key") as refused:
        again.adopt_key(SiteKey(b"o" * 32, "/etc/patrol/patrol.key"))
    assert "/etc/patrol/patrol.key" in str(refused.value)
    assert "\n" not in str(refused.value)
    del store


def change(url: str, *statements: str) -> None:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as owner:
        for statement in statements:
            owner.execute(statement)


def rehash_without_the_key(url: str, *, drop_mark: bool) -> None:
    """What an owner of the database can do: change a line, and hash everything behind it again."""
    with sqlite3.connect(url.removeprefix("sqlite:///")) as owner:
        owner.execute("UPDATE access_log SET who = 'nobody' WHERE number = 2")
        previous = EMPTY_CHAIN_HASH
        columns = "number, at, who, what, camera, why"
        for row in owner.execute(f"SELECT {columns} FROM access_log ORDER BY number").fetchall():  # noqa: S608
            number, at, *rest = row
            moment = re.sub(r" ", "T", str(at))
            stamp = f"{moment[:26]}Z" if "." in moment else f"{moment}.000000Z"
            link = chain_hash(previous, number, stamp, *rest)
            owner.execute(
                "UPDATE access_log SET previous = ?, hash = ? WHERE number = ?",
                (previous, link, number),
            )
            previous = link
        owner.execute("UPDATE chains SET hash = ? WHERE name = 'access_log'", (previous,))
        if drop_mark:
            owner.execute("DELETE FROM chain_keys")


def test_a_line_changed_and_all_hashed_again_is_found(store: Store, url: str) -> None:
    log(store, 5)
    rehash_without_the_key(url, drop_mark=False)
    with store.begin_read() as uow:
        assert uow.access.first_broken() == 1
    assert any("access_log line 1" in str(problem) for problem in check(store))


def test_lines_before_the_key_stay_provable(url: str) -> None:
    with open_store(url) as old:
        log(old, 3)
    with open_store(url) as store:
        store.adopt_key(KEY)
        log(store, 3)
        with store.begin_read() as uow:
            assert uow.access.first_broken() is None
        change(url, "UPDATE chain_keys SET keyed_from = 6 WHERE name = 'access_log'")
        with store.begin_read() as uow:
            assert uow.access.first_broken() == 4  # a plain hash is expected there, and is none


def test_the_logs_cannot_be_extended_or_proven_without_the_key(store: Store, url: str) -> None:
    log(store, 2)
    with open_store(url) as without:
        with pytest.raises(KeyProblem, match="put the key file back"):
            log(without, 1)
        assert check(without) == []  # they follow one another; more cannot be known
        with without.begin_read() as uow, pytest.raises(KeyProblem):
            uow.access.first_broken()


@pytest.fixture
def anchored(store: Store) -> Anchor:
    log(store, 4, at=NOW - timedelta(days=1))
    log(store, 3)
    midnight = datetime(2026, 11, 22, tzinfo=UTC)
    with store.begin() as uow:
        anchor = Anchor(day=date(2026, 11, 21), at=NOW, heads=uow.anchors.heads_before(midnight))
        assert uow.anchors.add(anchor)
        uow.commit()
    return anchor


def test_an_anchor_has_the_last_line_of_its_day(store: Store, anchored: Anchor) -> None:
    assert anchored.heads["access_log"].number == 4
    with store.begin_read() as uow:
        assert uow.anchors.get(anchored.day) == anchored
        assert uow.anchors.problems_of("access_log", anchored.heads["access_log"]) is None


def test_a_tail_cut_with_its_head_shows_by_the_anchor(
    store: Store, url: str, anchored: Anchor
) -> None:
    change(
        url,
        "DELETE FROM access_log WHERE number > 3",
        "UPDATE chains SET number = 3, hash ="
        " (SELECT hash FROM access_log WHERE number = 3) WHERE name = 'access_log'",
    )
    with store.begin_read() as uow:
        assert uow.access.first_broken() is None  # the chain alone cannot know
        problem = uow.anchors.problems_of("access_log", anchored.heads["access_log"])
    assert problem is not None
    assert (problem.number, problem.kind) == (4, "cut")


def test_a_log_hashed_again_as_if_it_never_had_a_key_shows_by_the_anchor(
    store: Store, url: str, anchored: Anchor
) -> None:
    rehash_without_the_key(url, drop_mark=True)
    with store.begin_read() as uow:
        assert uow.access.first_broken() is None
        problem = uow.anchors.problems_of("access_log", anchored.heads["access_log"])
    assert problem is not None
    assert problem.kind == "rewritten"


def test_anchors_are_read_as_they_are_published_kept_and_printed() -> None:
    head = ChainHead(7, "ab" * 32)
    day = {"day": "2026-11-21", "heads": {"access_log": {"number": 7, "hash": head.hash}}}
    published = json.dumps({"v": 1, "key": "audit-2026-11-21", "days": [day, day]})
    for text, count in (
        (published, 2),
        (f"patrol/v1/shangba/centre/audit {published}", 2),  # mosquitto_sub -v
        (f"{json.dumps(day)}\n{json.dumps(day)}\n", 2),
        (f"7:{head.hash}", 1),
        (f"access_log:7:{head.hash}", 1),
    ):
        assert read_anchors(text, LOGS) == [("access_log", head)] * count


@pytest.mark.parametrize(
    "text",
    ["", "7", "x:7:ab", "{}", "[1]", '{"days": [{"heads": {}}]}', "[" * 200_000, '{"a":' * 200_000],
)
def test_what_is_no_anchor_is_refused(text: str) -> None:
    with pytest.raises(BadAnchor):
        read_anchors(text, LOGS)

"""A catalogue in one long message is read in pieces: the same items, and never long in one go."""

import asyncio
import itertools
import time
from collections.abc import Callable
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.gb28181 import long_documents
from streams.gb28181.catalog import LONGEST_S, Catalog
from streams.gb28181.events import CatalogReceived, PlatformEvent
from streams.gb28181.long_documents import MAX_UNCUT, PIECE, pieces_of
from streams.gb28181.manscdp import read_catalog, read_command
from streams.gb28181.sip_message import parse_message
from streams.gb28181.xml_text import BadXml
from tests.streams.gb28181.conftest import DEVICE, FLOW, WALL, Bench
from tests.streams.gb28181.loopback import closed, listening, nvr

HEAD = (
    '<?xml version="1.0" encoding="GB2312"?>\r\n<Response>\r\n<CmdType>Catalog</CmdType>\r\n'
    f"<SN>1</SN>\r\n<DeviceID>{DEVICE}</DeviceID>\r\n"
)


def item(number: int, name: str = "村口摄像机") -> str:
    return (
        f"<Item><DeviceID>3402000000132{number:07d}</DeviceID><Name>{name}{number}</Name>"
        f"<Manufacturer>Maker</Manufacturer><Address>某路{number}号</Address><Status>ON</Status>"
        "<ParentID>34020000002000000001</ParentID><Longitude>98.75</Longitude></Item>\r\n"
    )


def document(count: int, *, total: int | None = None, name: str = "村口摄像机") -> str:
    items = "".join(item(number, name) for number in range(count))
    sums = f"<SumNum>{count if total is None else total}</SumNum>\r\n"
    return f'{HEAD}{sums}<DeviceList Num="{count}">\r\n{items}</DeviceList>\r\n</Response>\r\n'


LONG = document(400)
LATE_HEAD = (
    f"<Response><DeviceList>{''.join(map(item, range(400)))}</DeviceList>"
    f"{HEAD.partition('<Response>')[2]}<SumNum>400</SumNum></Response>"
)
SPELLINGS = {
    "GB18030": LONG.encode("gb18030"),
    "UTF-8": LONG.encode(),
    "UTF-16": LONG.encode("utf-16"),
    "the command behind its items": LATE_HEAD.encode("gb18030"),
    "doubled end tags": LONG.replace("</Item>", "</Item></Item>").encode("gb18030"),
    "end tags with spaces": LONG.replace("</Item>", "</Item >").encode("gb18030"),
    "lower case": LONG.replace("Item>", "item>").encode("gb18030"),
    "nothing is closed behind the last item": LONG.rpartition("</DeviceList>")[0].encode("gb18030"),
}


def read_whole(body: bytes) -> tuple[list[str], set[tuple[str, str, int, int | None]]]:
    """The items' codes and names; what each piece says that it belongs to."""
    commands = [read_command(piece) for piece in pieces_of(body)]
    parts = [read_catalog(command) for command in commands]
    heads = {
        (command.kind, command.name, command.number, part.total)
        for command, part in zip(commands, parts, strict=True)
    }
    return [f"{one.code} {one.name}" for part in parts for one in part.items], heads


@pytest.mark.parametrize("name", SPELLINGS)
def test_pieces_hold_what_the_whole_holds(name: str) -> None:
    body = SPELLINGS[name]
    pieces = pieces_of(body)
    assert len(pieces) > 2
    assert max(map(len, pieces)) < PIECE + 2048
    found, heads = read_whole(body)
    assert found == [f"3402000000132{n:07d} 村口摄像机{n}" for n in range(400)]
    assert heads == {("response", "catalog", 1, 400)}


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 120), st.integers(0, 40), st.integers(16, 4096))
def test_wherever_it_is_cut_no_item_is_lost_or_doubled(count: int, pad: int, piece: int) -> None:
    body = document(count, name="名" * pad).encode("gb18030")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_documents, "PIECE", piece)
        found, _ = read_whole(body)
    assert found == [f"3402000000132{n:07d} {'名' * pad}{n}" for n in range(count)]


UNCUT = {
    "no items": b"<Notify><CmdType>Alarm</CmdType><Info>" + b"a" * MAX_UNCUT,
    "tags without items": b"<Notify>" + b"<a></a>" * 20_000,
    "an item without an end": HEAD.encode() + b"<DeviceList><Item>" + b"<Name>a</Name>" * 9_000,
    "items that never come": b"<" * (1 << 20),
}


@pytest.mark.parametrize("name", UNCUT)
def test_what_is_long_and_cannot_be_cut_is_refused(name: str) -> None:
    with pytest.raises(BadXml):
        pieces_of(UNCUT[name])


def asked(bench: Bench) -> None:
    """A registered device whose catalogue is asked for; the query has the number 1."""
    bench.register()
    assert bench.platform.query_catalog("nvr", bench.now_s) == 1
    bench.sent()
    bench.events()


def hand_over(bench: Bench, text: str) -> int:
    """Hand a long answer over; the status of our answer."""
    (answer,) = bench.receive(bench.request("MESSAGE", text))
    return answer.status


def read_on(bench: Bench) -> int:
    """Read what waits; how many pieces."""
    for count in itertools.count():
        if not bench.platform.unread:
            return count
        bench.platform.read_next(bench.now_s)
    raise AssertionError


def catalog_of(bench: Bench) -> Catalog | None:
    found = [e.catalog for e in bench.events() if isinstance(e, CatalogReceived)]
    return found[0] if found else None


def cpu_s(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def test_ten_thousand_items_in_one_message_are_read_a_little_at_a_time(bench: Bench) -> None:
    """In one run: a piece of it costs what a short message of a piece's size costs."""
    asked(bench)
    short = document(60)
    of_short = [cpu_s(lambda: hand_over(bench, short)) for _ in range(9)]
    assert hand_over(bench, document(10_000)) == 200
    bench.pass_s(30.0, 5.0)
    assert catalog_of(bench) is None  # not over while pieces wait
    of_pieces = []
    while bench.platform.unread:
        of_pieces.append(cpu_s(lambda: bench.platform.read_next(bench.now_s)))
    assert len(of_pieces) > 100
    assert median(of_pieces) < 5 * median(of_short)
    bench.pass_s(1.0)
    catalog = catalog_of(bench)
    assert catalog is not None
    assert (len(catalog.items), catalog.expected, catalog.complete) == (10_000, 10_000, True)


@pytest.mark.parametrize("offset", [-3, 3])
def test_a_sum_that_is_always_wrong_ends_partial_by_the_clock(bench: Bench, offset: int) -> None:
    asked(bench)
    hand_over(bench, document(400, total=400 + offset))
    read_on(bench)
    bench.pass_s(10.0)
    catalog = catalog_of(bench)
    assert catalog is not None
    assert (len(catalog.items), catalog.complete) == (400, False)


def test_pieces_that_are_never_read_do_not_keep_a_query_open(bench: Bench) -> None:
    asked(bench)
    hand_over(bench, document(400))
    bench.pass_s(LONGEST_S + 1, 5.0)
    catalog = catalog_of(bench)
    assert catalog is not None
    assert not catalog.complete
    read_on(bench)  # late, and nobody asks any more: counted
    assert bench.platform.refusals.by_reason()["a catalogue that nobody asked for"] > 1


def test_more_than_can_wait_is_refused_and_counted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_documents, "MAX_WAITING", 100_000)
    asked(bench)
    answers = [hand_over(bench, document(400)) for _ in range(4)]
    assert (answers[0], answers[-1]) == (200, 503)
    read_on(bench)
    assert hand_over(bench, document(400)) == 200


def test_a_broken_piece_is_counted_and_the_others_are_read(bench: Bench) -> None:
    asked(bench)
    text = document(400)
    middle = text.index("<Item>", len(text) // 2)
    assert hand_over(bench, f"{text[:middle]}<!DOCTYPE x>{text[middle:]}") == 200
    read_on(bench)
    bench.pass_s(10.0)
    catalog = catalog_of(bench)
    assert catalog is not None
    assert 200 < len(catalog.items) < 400
    assert not catalog.complete
    assert any("unreadable XML" in reason for reason in bench.platform.refusals.by_reason())


def test_the_loop_turns_between_two_pieces() -> None:
    """An endpoint reads one piece a turn of its loop, so that others are served in between."""

    async def work() -> int:
        events: list[PlatformEvent] = []
        visits = await listening(nvr(registers_here=False, address=("127.0.0.1", 9)), events)
        endpoint, platform = visits.endpoint, visits.endpoint.platform
        message = parse_message(Bench().request("MESSAGE", document(2_000)))
        platform.query_catalog("nvr", endpoint.now_s)
        platform.receive(message, FLOW, endpoint.now_s, WALL)
        endpoint.pump()
        turns = 0
        while platform.unread:
            turns += 1
            await asyncio.sleep(0)
        await closed(visits)
        await endpoint.close()
        return turns

    assert asyncio.run(work()) >= len(pieces_of(document(2_000).encode("gb18030"))) - 1

"""MANSCDP documents as the field writes them; catalogues in parts; what is kept between two."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.gb28181.catalog import (
    GONE_AFTER,
    LONGEST_S,
    SETTLE_S,
    Catalog,
    CatalogAssembler,
    KnownChannel,
    apply_notice,
    count_cyclic,
    merge,
    path_of,
)
from streams.gb28181.codes import CodeKind, StreamSources, kind_of, read_ssrc
from streams.gb28181.manscdp import (
    CatalogItem,
    CatalogPart,
    alarm_taken,
    key_frame_command,
    query,
    read_alarm,
    read_catalog,
    read_command,
)
from streams.gb28181.xml_text import BadXml, parse_xml

CODE = "34020000001320000001"
ITEM = (
    f"<Item><DeviceID>{CODE}</DeviceID><Name>村口&amp;桥头</Name><Status>ON</Status>"
    "<ParentID>34020000002000000001/34020000001180000001</ParentID>"
    "<Longitude>98.75</Longitude><Latitude>39.6</Latitude></Item>"
)
CATALOG = (
    '<?xml version="1.0" encoding="GB2312"?>\r\n<Response><CmdType>Catalog</CmdType><SN>7</SN>'
    f'<DeviceID>34020000001180000001</DeviceID><SumNum>1</SumNum><DeviceList Num="1">{ITEM}'
    "</DeviceList></Response>"
)
SPELLINGS = {
    "GB2312": CATALOG.encode("gb2312"),
    "GB18030 with a rare character": CATALOG.replace("桥", "𪚥").encode("gb18030"),
    "UTF-8 under a GB2312 prolog": CATALOG.encode(),
    "UTF-8 with a mark": b"\xef\xbb\xbf" + CATALOG.encode(),
    "UTF-16": CATALOG.encode("utf-16"),
    "no prolog": CATALOG.partition("?>")[2].encode("gb18030"),
    "a bare ampersand": CATALOG.replace("&amp;", "&").encode("gb18030"),
    "a doubled end tag": CATALOG.replace("</Item>", "</Item></Item>").encode("gb18030"),
    "NUL bytes": CATALOG.encode("gb18030") + b"\x00\x00",
    "a comment": CATALOG.replace("<SN>", "<!-- <SN>9</SN> --><SN>").encode("gb18030"),
    "white space": CATALOG.replace("><", ">\r\n  <").encode("gb18030"),
    "names in other letters": CATALOG.replace("DeviceList", "Devicelist").encode("gb18030"),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_gives_the_same_item(name: str) -> None:
    command = read_command(SPELLINGS[name])
    assert (command.kind, command.name, command.number) == ("response", "catalog", 7)
    part = read_catalog(command)
    (item,) = part.items
    assert part.total == 1
    assert (item.code, item.online, item.parent) == (CODE, True, "34020000001180000001")
    assert item.name == ("村口&𪚥头" if "rare" in name else "村口&桥头")
    assert (item.longitude, item.latitude) == (98.75, 39.6)


@pytest.mark.parametrize(
    ("status", "online"),
    [("ON", True), ("OK", True), ("Online", True), ("OFF", False), ("OFFLINE", False), ("", None)],
)
def test_a_status_is_read_in_every_spelling(status: str, online: object) -> None:
    text = CATALOG.replace("<Status>ON", f"<Status>{status}")
    assert read_catalog(read_command(text.encode())).items[0].online is online


BOMBS = {
    "entities": b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>',
    "an external entity": b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
    "a doctype in UTF-8 spaces": b"<! DOCTYPE x><x/>",
    "deep": b"<a>" * 1000,
    "nothing": b"plain text",
    "empty": b"",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused(name: str) -> None:
    with pytest.raises(BadXml):
        parse_xml(BOMBS[name])


def test_references_that_are_no_characters_vanish_and_others_stay() -> None:
    root, _ = parse_xml(b"<x>&#65;&#x4E2D;&#0;&#xD800;&#x110000;&unknown;&lt;</x>")
    assert root.text == "A中&unknown;<"


def part(*codes: str, total: int | None = None, number: int = 7) -> CatalogPart:
    items = tuple(CatalogItem(code=code, name=code[-3:]) for code in codes)
    return CatalogPart(number=number, total=total, items=items, bad_items=0)


def codes(count: int) -> list[str]:
    return [f"3402000000132{n:07d}" for n in range(count)]


def assembler(regions: tuple[str, ...] = ()) -> CatalogAssembler:
    return CatalogAssembler(number=7, regions=regions, idle_s=8.0, last_at_s=0.0)


def received(mine: CatalogAssembler, last: CatalogPart) -> Catalog:
    """The catalogue, a silence behind its last part."""
    mine.add(last, 1.0)
    catalog = mine.due(9.0)
    assert catalog is not None
    return catalog


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(12)), st.lists(st.integers(0, 11), max_size=6), st.integers(1, 5))
def test_parts_come_in_any_order_and_twice(
    order: list[int], repeated: list[int], size: int
) -> None:
    listed, mine = codes(12), assembler()
    sent = [*order, *repeated]
    parts = [[listed[n] for n in sent[at : at + size]] for at in range(0, len(sent), size)]
    for one in parts:
        mine.add(part(*one, total=12), 1.0)
    done = mine.due(1.0 + SETTLE_S)
    assert done is not None
    assert set(done.items) == set(listed)
    assert done.complete


@pytest.mark.parametrize(("total", "complete"), [(5, False), (6, True), (4, False)])
def test_parts_behind_the_sum_are_taken_and_the_sum_is_not_believed(
    total: int,
    complete: bool,  # noqa: FBT001
) -> None:
    mine, listed = assembler(), codes(6)
    mine.add(part(*listed[:5], total=total), 1.0)
    assert mine.due(1.4) is None
    mine.add(part(*listed[5:], total=total), 1.4)
    done = mine.due(1.4 + SETTLE_S)
    assert done is not None
    assert (len(done.items), done.complete) == (6, complete)


def test_a_catalogue_that_never_ends_is_ended() -> None:
    mine, now_s = assembler(), 0.0
    while mine.due(now_s) is None:
        now_s += 1.0
        mine.add(part(CODE, total=2), now_s)
        assert now_s <= LONGEST_S


def test_a_silence_makes_it_partial_and_a_wrong_sum_too() -> None:
    mine = assembler()
    mine.add(part(*codes(3), total=4), 1.0)
    assert mine.due(8.9) is None
    partial = mine.due(9.0)
    assert partial is not None
    assert (len(partial.items), partial.complete, partial.expected) == (3, False, 4)


def test_a_sum_of_zero_is_no_whole_catalogue() -> None:
    empty = received(assembler(), part(total=0))
    assert not empty.complete


def test_another_region_and_ten_thousand_items_are_counted() -> None:
    mine = assembler(("6209",))
    mine.add(part(*codes(2), total=4), 1.0)
    result = received(mine, part(*codes(3), f"62090000{CODE[8:]}", total=4))
    assert (result.foreign, list(result.items)) == (3, [f"62090000{CODE[8:]}"])
    assert (result.repeated, result.complete) == (2, True)
    many = received(assembler(), part(*codes(10_000), total=10_000))
    assert len(many.items) == 10_000


def known(*listed: str) -> dict[str, KnownChannel]:
    return {code: KnownChannel(item=CatalogItem(code=code, name="n")) for code in listed}


def whole(*listed: str, complete: bool = True) -> Catalog:
    items = {code: CatalogItem(code=code, name="n") for code in listed}
    return Catalog(items=items, expected=len(listed), complete=complete)


def test_nothing_is_deleted_by_what_is_missing() -> None:
    first, second = codes(2)
    kept = known(first, second)
    for _ in range(10):
        kept = merge(kept, whole(first, complete=False))
    assert kept[second].missing == 0
    for times in range(1, GONE_AFTER + 1):
        kept = merge(kept, whole(first))
        assert kept[second].missing == times
        assert kept[second].gone == (times == GONE_AFTER)
    assert merge(kept, whole(first, second))[second].missing == 0


def test_a_notice_changes_what_it_names() -> None:
    (code,) = codes(1)
    before = known(code)
    off = apply_notice(before, [CatalogItem(code=code, online=False, event="OFF")])
    assert (off[code].item.online, off[code].item.name) == (False, "n")
    gone = apply_notice(before, [CatalogItem(code=code, event="DEL")])
    assert gone[code].gone
    unknown = apply_notice(before, [CatalogItem(code=CODE, event="DEL")])
    assert unknown == {}
    new = apply_notice(before, [CatalogItem(code=CODE, name="x", event="ADD")])
    assert new[CODE].item.name == "x"


def test_cyclic_parents_end() -> None:
    items = {
        "1": CatalogItem(code="1", name="a", parent="2"),
        "2": CatalogItem(code="2", name="b", parent="3"),
        "3": CatalogItem(code="3", name="c", parent="1"),
        "4": CatalogItem(code="4", name="d", parent="4"),
    }
    assert path_of("1", items) == ("c", "b")
    assert path_of("4", items) == ()
    assert count_cyclic(items) == 4
    below = {str(n): CatalogItem(code=str(n), parent=str(n - 1)) for n in range(5, 2_000)}
    assert count_cyclic({**below, **items}) == count_cyclic({**items, **below}) == 4
    assert count_cyclic(below) == 0


def test_what_is_odd_in_a_catalogue_is_counted_by_its_kind() -> None:
    mine = assembler(("34",))
    mine.add(part(CODE, CODE, f"62{CODE[2:]}", total=3), 1.0)
    odd = received(mine, CatalogPart(number=7, total=3, items=(), bad_items=1)).oddities()
    assert odd == {"foreign": 1, "bad": 1, "repeated": 1}


def test_what_we_send_follows_the_edition() -> None:
    old, new = key_frame_command(1, CODE), key_frame_command(1, CODE, version_2022=True)
    assert b"<IFameCmd>Send</IFameCmd>" in old
    assert b'encoding="GB2312"' in old
    assert b"<IFrameCmd>Send</IFrameCmd>" in new
    assert b'encoding="GB18030"' in new
    asked = read_command(query("Catalog", 9, CODE))
    assert (asked.kind, asked.name, asked.number, asked.device) == ("query", "catalog", 9, CODE)
    assert b"<Result>OK</Result>" in alarm_taken(3, CODE)


def test_an_alarm_is_read() -> None:
    text = (
        f"<Notify><CmdType>Alarm</CmdType><SN>1</SN><DeviceID>{CODE}</DeviceID>"
        "<AlarmPriority>4</AlarmPriority><AlarmMethod>5</AlarmMethod>"
        "<AlarmTime>2026-11-22T16:00:00</AlarmTime><AlarmDescription>移动</AlarmDescription>"
        "<Info><AlarmType>2</AlarmType></Info></Notify>"
    )
    alarm = read_alarm(read_command(text.encode("gb18030")))
    assert (alarm.device, alarm.priority, alarm.method, alarm.kind) == (CODE, "4", "5", "2")
    assert (alarm.at, alarm.text) == ("2026-11-22T16:00:00", "移动")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (CODE, CodeKind.CAMERA), ("34020000001180000001", CodeKind.DEVICE),
        ("34020000002000000001", CodeKind.PLATFORM), ("34020000002150000001", CodeKind.GROUP),
        ("340200", CodeKind.AREA), ("x", CodeKind.OTHER),
    ],
)  # fmt: skip
def test_codes_say_what_they_name(code: str, kind: CodeKind) -> None:
    assert kind_of(code) is kind


@pytest.mark.parametrize(
    ("text", "ssrc"),
    [("0200000123", 200000123), ("200000123", 200000123), ("0" * 10 + "0200000123", 200000123),
     ("null", None), ("", None), (" 0000000001 ", 1)],
)  # fmt: skip
def test_sources_are_read_leniently(text: str, ssrc: int | None) -> None:
    assert read_ssrc(text) == ssrc


def test_sources_are_ten_digits_and_run_out() -> None:
    sources = StreamSources("3402000000")
    taken = [sources.take() for _ in range(9_999)]
    assert len(set(taken)) == 9_999
    assert taken[0] == "0200000001"
    assert sources.take() is None
    sources.give_back("0200000042")
    assert sources.take() == "0200000042"

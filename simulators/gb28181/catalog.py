"""The catalogue of a simulated device as MESSAGE bodies, with its faults."""

import random
from collections.abc import Sequence
from xml.sax.saxutils import escape  # nosec B406

from simulators.gb28181.channels import DeviceChannel
from simulators.gb28181.faults import DeviceFaults


def catalog_texts(
    code: str,
    channels: Sequence[DeviceChannel],
    number: str,
    faults: DeviceFaults,
    rng: random.Random,
) -> list[str]:
    """The bodies that answer the query of this number, in the order in which they are sent."""
    items = [_item(code, channel, faults) for channel in channels]
    total = 0 if faults.sum_zero else len(items) + faults.sum_offset
    size = max(1, faults.items_per_message)
    parts = [items[at : at + size] for at in range(0, len(items), size)] or [[]]
    if faults.sum_zero:
        parts = [[]]
    if faults.shuffled:
        rng.shuffle(parts)
    if faults.loses_part:
        parts = parts[:-1]
    if faults.repeats_parts:
        parts = [part for part in parts for _ in range(2)]
    return [_text(code, number, total, part, faults) for part in parts]


def _text(code: str, number: str, total: int, items: Sequence[str], faults: DeviceFaults) -> str:
    nul = "\x00" if faults.nul_bytes else ""
    listed = f'<DeviceList Num="{len(items)}">\r\n{"".join(items)}</DeviceList>\r\n'
    return (
        '<?xml version="1.0" encoding="GB2312"?>\r\n<Response>\r\n<CmdType>Catalog</CmdType>\r\n'
        f"<SN>{number}</SN>\r\n<DeviceID>{code}</DeviceID>\r\n<SumNum>{total}</SumNum>\r\n"
        f"{listed if items else ''}</Response>\r\n{nul}"
    )


def _item(code: str, channel: DeviceChannel, faults: DeviceFaults) -> str:
    name = escape(channel.name)
    if faults.bare_ampersand:
        name = f"{channel.name} A&B"
    parent = channel.parent or code
    if faults.cyclic:
        parent = channel.code
    end = "</Item>\r\n</Item>\r\n" if faults.doubled_end_tag else "</Item>\r\n"
    return (
        f"<Item>\r\n<DeviceID>{channel.code}</DeviceID>\r\n<Name>{name}</Name>\r\n"
        f"<Manufacturer>sim</Manufacturer>\r\n<Model>S1</Model>\r\n<Owner>0</Owner>\r\n"
        f"<CivilCode>{channel.code[:8]}</CivilCode>\r\n<Address>路口</Address>\r\n"
        f"<Parental>0</Parental>\r\n<ParentID>{parent}</ParentID>\r\n"
        f"<RegisterWay>1</RegisterWay>\r\n<Secrecy>0</Secrecy>\r\n"
        f"<Status>{'ON' if channel.online else 'OFF'}</Status>\r\n"
        f"<Longitude>98.75</Longitude>\r\n<Latitude>39.6</Latitude>\r\n{end}"
    )

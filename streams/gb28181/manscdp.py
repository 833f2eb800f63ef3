"""MANSCDP: the commands and notices that GB/T 28181 carries in SIP MESSAGE and NOTIFY. Pure.

Every field but a device's code is optional, in catalogues and in alarms; values are taken as they
are written by the field (`ON`, `OK`, `ONLINE`). What is sent follows Annex A of the edition.
"""

import re
from dataclasses import dataclass
from typing import Final

from streams.gb28181.codes import CodeKind, kind_of
from streams.gb28181.xml_text import XmlElement, parse_xml, xml_document

CONTENT_TYPE: Final = "Application/MANSCDP+xml"
_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_ONLINE: Final = frozenset({"on", "ok", "online", "1", "true"})
_OFFLINE: Final = frozenset({"off", "offline", "0", "false", "vlost", "defect", "error"})
MAX_TEXT: Final = 200


@dataclass(frozen=True, slots=True)
class Command:
    """One MANSCDP document: Query, Response, Notify or Control of a CmdType."""

    kind: str  # the outermost element, lower case
    name: str  # CmdType, lower case
    number: int  # SN
    device: str  # DeviceID
    root: XmlElement
    charset: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogItem:
    """One entry of a peer's catalogue: a camera, a device, a group, an area."""

    code: str
    name: str = ""
    parent: str = ""
    online: bool | None = None  # None: it does not say
    maker: str = ""
    model: str = ""
    civil_code: str = ""
    address: str = ""
    longitude: float | None = None
    latitude: float | None = None
    event: str = ""  # of a NOTIFY: ON, OFF, VLOST, DEFECT, ADD, DEL, UPDATE

    @property
    def kind(self) -> CodeKind:
        """What the code names."""
        return kind_of(self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogPart:
    """The items of one message, and how many the whole catalogue has by what it says."""

    number: int
    total: int | None
    items: tuple[CatalogItem, ...]
    bad_items: int  # without a code that can be one


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm as a device told it; its time is the device's own."""

    device: str
    priority: str
    method: str
    at: str
    kind: str
    text: str


def read_command(data: bytes) -> Command:
    """Read a document. Raises BadXml."""
    root, charset = parse_xml(data)
    number = root.get("SN")
    return Command(
        kind=root.name.lower(),
        name=root.get("CmdType").lower(),
        number=int(number) if _NUMBER.fullmatch(number) else 0,
        device=root.get("DeviceID")[:MAX_TEXT],
        root=root,
        charset=charset,
    )


def read_catalog(command: Command) -> CatalogPart:
    """The items of a catalogue's response or notice."""
    total = command.root.get("SumNum")
    devices = command.root.find("DeviceList")
    found = [_read_item(item) for item in devices.all("Item")] if devices is not None else []
    items = tuple(item for item in found if item is not None)
    return CatalogPart(
        number=command.number,
        total=int(total) if _NUMBER.fullmatch(total) else None,
        items=items,
        bad_items=len(found) - len(items),
    )


def _read_item(element: XmlElement) -> CatalogItem | None:
    code = element.get("DeviceID")
    if kind_of(code) is CodeKind.OTHER and not code.isdigit():
        return None
    status = element.get("Status").lower()
    online = True if status in _ONLINE else False if status in _OFFLINE else None
    event = element.get("Event").upper()
    if event in {"ON", "OFF", "VLOST", "DEFECT", "DEL"}:
        online = event == "ON"
    # `ParentID` may name several, from the outermost inwards.
    parents = [part for part in element.get("ParentID").split("/") if part]
    return CatalogItem(
        code=code[:32],
        name=element.get("Name")[:MAX_TEXT],
        parent=parents[-1][:32] if parents else "",
        online=online,
        maker=element.get("Manufacturer")[:MAX_TEXT],
        model=element.get("Model")[:MAX_TEXT],
        civil_code=element.get("CivilCode")[:32],
        address=element.get("Address")[:MAX_TEXT],
        longitude=_degrees(element.get("Longitude"), 180),
        latitude=_degrees(element.get("Latitude"), 90),
        event=event,
    )


def _degrees(text: str, most: float) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value and -most <= value <= most else None


def read_alarm(command: Command) -> Alarm:
    """The alarm of a notice."""
    root = command.root
    info = root.find("Info")
    kind = (info.get("AlarmType") if info is not None else "") or root.get("AlarmType")
    return Alarm(
        device=command.device,
        priority=root.get("AlarmPriority")[:8],
        method=root.get("AlarmMethod")[:8],
        at=root.get("AlarmTime")[:40],
        kind=kind[:40],
        text=root.get("AlarmDescription")[:MAX_TEXT],
    )


def faulty_devices(command: Command) -> tuple[str, ...]:
    """The devices that a keep-alive reports as faulty."""
    info = command.root.find("Info")
    return tuple(item.text[:32] for item in info.all("DeviceID"))[:1000] if info is not None else ()


def query(name: str, number: int, device: str, *, version_2022: bool = False) -> bytes:
    """A query of CmdType `name`."""
    return _document("Query", name, number, device, version_2022=version_2022)


def keep_alive(number: int, device: str, *, version_2022: bool = False) -> bytes:
    """The sign of life of one who registered."""
    more = [("Status", "OK")]
    return _document("Notify", "Keepalive", number, device, more, version_2022=version_2022)


def alarm_taken(number: int, device: str, *, version_2022: bool = False) -> bytes:
    """The separate response to an alarm that came as a MESSAGE (A.2.5.3)."""
    more = [("Result", "OK")]
    return _document("Response", "Alarm", number, device, more, version_2022=version_2022)


def empty_catalog(number: int, device: str, *, version_2022: bool = False) -> bytes:
    """The answer to a platform above that asks for our catalogue: we give no video."""
    more = [("SumNum", "0"), ("", '<DeviceList Num="0"></DeviceList>')]
    return _document("Response", "Catalog", number, device, more, version_2022=version_2022)


def key_frame_command(number: int, channel: str, *, version_2022: bool = False) -> bytes:
    """Ask a camera for a key frame; the 2016 edition's own spelling is `IFameCmd`."""
    more = [("IFrameCmd" if version_2022 else "IFameCmd", "Send")]
    return _document("Control", "DeviceControl", number, channel, more, version_2022=version_2022)


def _document(
    root: str,
    name: str,
    number: int,
    device: str,
    more: list[tuple[str, str]] | None = None,
    *,
    version_2022: bool,
) -> bytes:
    values = [("CmdType", name), ("SN", str(number)), ("DeviceID", device), *(more or [])]
    return xml_document(root, values, version_2022=version_2022)

"""GB/T 28181 in the store: where peers are, which sessions are open, catalogues, alarms."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, func, select

from patrol.store.schema_gb28181 import gb_alarms, gb_channels, gb_registrations, gb_sessions
from patrol.store.transaction import Transaction, in_batches
from streams.gb28181.catalog import KnownChannel
from streams.gb28181.invite_session import Dialog
from streams.gb28181.manscdp import Alarm, CatalogItem
from streams.gb28181.transactions import Flow

MAX_ALARMS: Final = 20_000  # of all peers together


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRecord:
    """Where a peer was last reached."""

    peer: str
    flow: Flow
    until: datetime | None  # None: it is gone, and `reason` says why
    seen_at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRecord:
    """An alarm that was taken."""

    number: int
    peer: str
    alarm: Alarm
    received_at: datetime


class Gb28181Repository:
    """Reads and writes what is known of peers."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    # -- registrations --------------------------------------------------------------------------

    def save_registration(
        self, peer: str, flow: Flow, *, until: datetime | None, now: datetime, reason: str = ""
    ) -> None:
        """Keep where a peer is, or that it is gone."""
        row = {
            "peer": peer, "transport": flow.transport, "host": flow.host, "port": flow.port,
            "local": flow.local, "until": until, "seen_at": now, "reason": reason,
        }  # fmt: skip
        self._db.put(gb_registrations, row, "peer")

    def mark_gone(self, peer: str, reason: str) -> None:
        """Keep that a peer is gone; where it was stays."""
        mine = gb_registrations.c.peer == peer
        gone = gb_registrations.update().where(mine).values(until=None, reason=reason)
        self._db.run(gone)

    def registrations(self) -> Mapping[str, PeerRecord]:
        """All, by peer."""
        return {
            row.peer: PeerRecord(
                peer=row.peer,
                flow=_flow(row),
                until=row.until,
                seen_at=row.seen_at,
                reason=row.reason,
            )
            for row in self._db.all(select(gb_registrations))
        }

    # -- sessions -------------------------------------------------------------------------------

    def open_session(self, dialog: Dialog, now: datetime) -> None:
        """Keep a session that is about to be opened, or its answer."""
        row = {
            "call_id": dialog.call_id, "peer": dialog.peer, "channel": dialog.channel,
            "from_tag": dialog.from_tag, "to_tag": dialog.to_tag, "cseq": dialog.cseq,
            "transport": dialog.flow.transport, "host": dialog.flow.host,
            "port": dialog.flow.port, "local": dialog.flow.local, "opened_at": now,
        }  # fmt: skip
        self._db.put(gb_sessions, row, "call_id")

    def end_session(self, call_id: str) -> bool:
        """Forget a session that the peer knows is over; False when there was none."""
        return self._db.changed(gb_sessions.delete().where(gb_sessions.c.call_id == call_id)) == 1

    def open_sessions(self) -> Sequence[Dialog]:
        """Every session that is open, the oldest first."""
        rows = self._db.all(select(gb_sessions).order_by(gb_sessions.c.opened_at))
        return [
            Dialog(
                peer=row.peer, channel=row.channel, call_id=row.call_id, from_tag=row.from_tag,
                to_tag=row.to_tag, cseq=row.cseq, flow=_flow(row),
            )
            for row in rows
        ]  # fmt: skip

    # -- catalogues -----------------------------------------------------------------------------

    def channels(self, peer: str) -> dict[str, KnownChannel]:
        """The catalogue of a peer as last known, by code."""
        rows = self._db.all(select(gb_channels).where(gb_channels.c.peer == peer))
        return {row.code: _channel(row) for row in rows}

    def channels_named(self, peer: str, codes: Collection[str]) -> dict[str, KnownChannel]:
        """These channels of a peer as last known, by code."""
        found: dict[str, KnownChannel] = {}
        for batch in in_batches(codes):
            named = gb_channels.c.peer == peer, gb_channels.c.code.in_(batch)
            rows = self._db.all(select(gb_channels).where(*named))
            found |= {row.code: _channel(row) for row in rows}
        return found

    def save_channels(self, peer: str, channels: Mapping[str, KnownChannel], now: datetime) -> None:
        """Insert or replace these; others stay."""
        for batch in in_batches(channels.values()):
            for channel in batch:
                item = asdict(channel.item)
                del item["event"]
                row = {**item, "peer": peer, "missing": channel.missing, "seen_at": now}
                self._db.put(gb_channels, row, "peer", "code")

    # -- alarms ---------------------------------------------------------------------------------

    def add_alarm(self, peer: str, alarm: Alarm, now: datetime) -> bool:
        """Keep an alarm, and the newest alone; False when it is known already."""
        row = {**asdict(alarm), "peer": peer, "received_at": now}
        if not self._db.add_if_new(gb_alarms, row, "peer", "device", "at", "method", "kind"):
            return False
        newest = select(func.max(gb_alarms.c.number) - MAX_ALARMS).scalar_subquery()
        self._db.run(gb_alarms.delete().where(gb_alarms.c.number <= newest))
        return True

    def alarms(self, *, limit: int = 100) -> Sequence[AlarmRecord]:
        """The newest alarms first."""
        newest = select(gb_alarms).order_by(gb_alarms.c.number.desc()).limit(limit)
        return [
            AlarmRecord(
                number=row.number,
                peer=row.peer,
                alarm=Alarm(
                    device=row.device, priority=row.priority, method=row.method, at=row.at,
                    kind=row.kind, text=row.text,
                ),
                received_at=row.received_at,
            )
            for row in self._db.all(newest)
        ]  # fmt: skip


def _flow(row: Row[Any]) -> Flow:
    return Flow(row.transport, row.host, row.port, row.local)


def _channel(row: Row[Any]) -> KnownChannel:
    item = CatalogItem(
        code=row.code, name=row.name, parent=row.parent, online=row.online, maker=row.maker,
        model=row.model, civil_code=row.civil_code, address=row.address,
        longitude=row.longitude, latitude=row.latitude,
    )  # fmt: skip
    return KnownChannel(item=item, missing=row.missing)

"""`patrol gb …`: the peers of GB/T 28181, their catalogues, a log of messages.

Each asks the running service, and does the work itself where none runs. A catalogue becomes rows
*proposed* for cameras.csv: consent pending, placement unknown, no grid. A person fills these in;
until then nothing is patrolled, and `patrol check` says what is missing.
"""

import asyncio
import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.table import Table

from patrol.cli.options import AsJson
from patrol.cli.output import bad_input, console, print_err, print_json
from patrol.cli.site import database_of, site_for_lists, trusted_clock, trusted_now
from patrol.domain.errors import BadInput, Failed
from patrol.domain.labels import Labels, label_text
from patrol.domain.problem_texts import problem_text
from patrol.domain.reader_language import reader_language, translate
from patrol.files import PRIVATE_MODE, write_atomically
from patrol.settings import Site
from patrol.settings.cameras_csv import CAMERA_OPTIONAL, CAMERA_REQUIRED
from patrol.settings.config_file import did_you_mean
from patrol.settings.sources_gb28181 import Gb28181Settings
from patrol.store import open_store
from streams.gb28181.catalog import KnownChannel, path_of
from streams.gb28181.codes import CodeKind
from streams.gb28181.manscdp import CatalogItem

if TYPE_CHECKING:
    from patrol.app.gb28181 import Gb28181Service

PEER_COLUMNS: Final = (
    ("名称", "peer"),
    ("可达", "reachable"),
    ("地址", "address"),
    ("最近", "seen"),
    ("会话", "sessions"),
)
ODDITY_LABELS: Final[Labels] = {
    "foreign": ("别区的编码，已略去", "of another region, left out"),
    "bad": ("没有可用编码，已略去", "without a usable code, left out"),
    "dropped": ("超出目录上限，已略去", "beyond the most that is kept, left out"),
    "cyclic": ("上级绕回自身", "whose parents lead back to them"),
    "repeated": ("重复上报", "repeated"),
}
PeerArgument = Annotated[
    str, typer.Argument(metavar="PEER", help="sources.yaml 里的名称。 A name.")
]


class NoGb28181(BadInput):
    """sources.yaml has no gb28181 section."""


def show_peers(context: typer.Context, *, as_json: AsJson = False) -> None:
    """对端：是否注册、地址、会话、拒绝计数。 Peers: registered or not, sessions, refusals."""
    site = _site(context)
    settings = _settings(site)
    with open_store(database_of(site)) as store, store.begin_read() as uow:
        now = trusted_now(uow)
        records = uow.gb28181.registrations()
        open_sessions = len(uow.gb28181.open_sessions())
        counts = {name: len(uow.gb28181.channels(name)) for name in settings.peers}
    live = _live_state(site)
    peers: dict[str, dict[str, Any]] = {}
    for name, peer in settings.peers.items():
        record, running = records.get(name), live.get("peers", {}).get(name, {})
        registered = record is not None and record.until is not None and record.until > now
        peers[name] = {
            "id": peer.id,
            "registration": str(peer.registration),
            "reachable": running.get("reachable", registered),
            "address": f"{record.flow.host}:{record.flow.port}" if record else peer.address,
            "seen_at": record.seen_at.isoformat() if record else None,
            "channels": counts[name],
            "sessions": running.get("sessions", 0),
            "problem": running.get("problem") or (record.reason if record else ""),
        }
    document = {
        "service": bool(live),
        "peers": peers,
        "open_sessions": live.get("open_sessions", open_sessions),
        "refused": live.get("refused", {}),
    }
    if as_json:
        print_json(document)
    else:
        _print_peers(document)


def show_catalog(
    context: typer.Context,
    peer: PeerArgument,
    *,
    rows: Annotated[
        Path | None,
        typer.Option("--rows", metavar="FILE", help="写成 cameras.csv 的待核行。 Proposed rows."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """目录：上次同步所得；可生成待核登记行。 The catalogue as last known; rows for cameras.csv."""
    site = _site(context)
    _check_peer(site, peer)
    with open_store(database_of(site)) as store, store.begin_read() as uow:
        channels = uow.gb28181.channels(peer)
    listed = {str(camera) for camera in site.registry.cameras}
    proposed = proposed_rows(peer, channels, listed)
    if rows is not None:
        write_atomically(rows, _as_csv(proposed).encode("utf-8-sig"), mode=PRIVATE_MODE)
    items = {code: channel.item for code, channel in channels.items()}
    document = {
        "peer": peer,
        "channels": [_channel_document(channel, items) for channel in channels.values()],
        "proposed": len(proposed),
        "rows": str(rows) if rows is not None else None,
    }
    if as_json:
        print_json(document)
    else:
        _print_catalog(document)


def sync_catalog(context: typer.Context, peer: PeerArgument, *, as_json: AsJson = False) -> None:
    """向对端查询目录并存下。 Ask a peer for its catalogue and keep it."""
    site = _site(context)
    _check_peer(site, peer)
    answer = next(ask(site, {"do": "sync", "peer": peer}))
    if "error" in answer:
        raise Failed(f"{peer}: {answer['error']}")
    if as_json:
        print_json(answer)
        return
    whole = (
        translate("完整", "complete")
        if answer["complete"]
        else translate("不完整，不删除任何登记", "partial: nothing is removed")
    )
    expected = "" if answer["expected"] is None else f" / {answer['expected']}"
    console().print(
        translate(
            f"{peer}：{answer['channels']}{expected} 项，{whole}",
            f"{peer}: {answer['channels']}{expected} items, {whole}",
        ),
        markup=False,
    )
    for name, label in ODDITY_LABELS.items():
        if answer.get(name):
            console().print(f"  {answer[name]} × {label_text(label)}", markup=False)


def record_messages(
    context: typer.Context,
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="写到文件。 Lines of JSON.")],
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="S", min=1, max=600, help="记录几秒。 How long.")
    ] = 60.0,
) -> None:
    """记录往来信令（已脱敏），供排查与测试。 A log of messages, redacted: it becomes a fixture."""
    site = _site(context)
    if not out.parent.is_dir():
        bad_input(f"--out: {out.parent}: no such directory")
    found = ask(site, {"do": "record", "seconds": seconds})
    lines = [json.dumps(one["log"], ensure_ascii=False) for one in found if "log" in one]
    write_atomically(out, "".join(f"{line}\n" for line in lines).encode(), mode=PRIVATE_MODE)
    console().print(
        translate(f"{out}：{len(lines)} 条", f"{out}: {len(lines)} messages"), markup=False
    )


def show_alarms(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="几条。 How many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """对端上报的告警（仅作参考，不是火警）。 Alarms of peers; for information, no fire alarm."""
    site = _site(context)
    with open_store(database_of(site)) as store, store.begin_read() as uow:
        alarms = uow.gb28181.alarms(limit=limit)
    document: list[dict[str, Any]] = [
        {
            "number": found.number, "peer": found.peer, "device": found.alarm.device,
            "at": found.alarm.at, "method": found.alarm.method, "kind": found.alarm.kind,
            "priority": found.alarm.priority, "text": found.alarm.text,
            "received_at": found.received_at.isoformat(),
        }
        for found in alarms
    ]  # fmt: skip
    if as_json:
        print_json({"alarms": document})
        return
    for row in document:
        line = f"{row['received_at'][:19]} {row['peer']} {row['device']} {row['text']}"
        console().print(f"{line} ({row['method']}/{row['kind']})", markup=False)


def proposed_rows(
    peer: str, channels: Mapping[str, KnownChannel], listed: set[str]
) -> list[dict[str, str]]:
    """Rows for cameras.csv of the cameras that are not in it; a person completes them."""
    rows = []
    items = {code: channel.item for code, channel in channels.items()}
    for code, channel in channels.items():
        item = channel.item
        if item.kind is not CodeKind.CAMERA or code in listed or channel.gone:
            continue
        row = dict.fromkeys((*CAMERA_REQUIRED, *CAMERA_OPTIONAL), "")
        row |= {
            "camera_id": code,
            "name": item.name or code,
            "place": " / ".join((*path_of(code, items), item.address or item.name)).strip(" /"),
            "url": f"gb28181://{peer}/{code}",
            "outdoor": "unknown",
            "consent": "pending",
        }
        if item.longitude is not None and item.latitude is not None:
            row |= {"lon": f"{item.longitude:.6f}", "lat": f"{item.latitude:.6f}"}
        rows.append(row)
    return rows


def ask(site: Site, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The answers of the running service, or of one that is started for this request."""
    from patrol.app.gb28181_control import ServiceAway, ask_service  # noqa: PLC0415  0.6 s

    try:
        yield from ask_service(site.settings.evidence, request)
    except ServiceAway:
        with _own_service(site) as service:
            yield from asyncio.run(_collect(service, request))


@contextmanager
def _own_service(site: Site) -> Iterator["Gb28181Service"]:
    """GB/T 28181 in this process, while the block runs."""
    from patrol.app.gb28181 import Gb28181Service  # noqa: PLC0415  see ask

    settings = _settings(site)
    with open_store(database_of(site)) as store:
        print_err(
            translate(
                "服务未运行，由本命令自己监听", "no service runs, this command listens itself"
            )
        )
        service = Gb28181Service(settings, store, trusted_clock(store), site.settings.site.tz)
        service.start()
        try:
            yield service
        finally:
            service.close()


async def _collect(service: "Gb28181Service", request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every answer, carried out in the service's own loop once the peer is there."""
    from patrol.app.gb28181_control import answers  # noqa: PLC0415  see ask

    async def work() -> list[dict[str, Any]]:
        await service.await_peer(str(request.get("peer", "")))
        return [answer async for answer in answers(service, request)]

    return await service.run(work())


def _site(context: typer.Context) -> Site:
    site = site_for_lists(context)
    _settings(site)
    return site


def _settings(site: Site) -> Gb28181Settings:
    if site.sources.gb28181 is None:
        raise NoGb28181("sources.yaml has no gb28181 section, write one")
    return site.sources.gb28181


def _check_peer(site: Site, peer: str) -> None:
    known = list(site.sources.names("gb28181"))
    if peer not in known:
        bad_input(f"peer {peer!r}: not in sources.yaml{did_you_mean(peer, known)}")


def _live_state(site: Site) -> Mapping[str, Any]:
    from patrol.app.gb28181_control import ServiceAway, ask_service  # noqa: PLC0415  see ask

    try:
        return next(ask_service(site.settings.evidence, {"do": "state"}))
    except ServiceAway:
        return {}


def _channel_document(channel: KnownChannel, items: Mapping[str, CatalogItem]) -> dict[str, Any]:
    item = channel.item
    return {
        "code": item.code,
        "kind": str(item.kind),
        "name": item.name,
        "path": list(path_of(item.code, items)),
        "online": item.online,
        "maker": item.maker,
        "missing": channel.missing,
        "gone": channel.gone,
    }


def _as_csv(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(
        text, fieldnames=[*CAMERA_REQUIRED, *CAMERA_OPTIONAL], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _print_peers(document: Mapping[str, Any]) -> None:
    table = Table()
    for column in PEER_COLUMNS:
        table.add_column(translate(*column), overflow="fold")
    for name, peer in document["peers"].items():
        problem = problem_text(peer["problem"], reader_language())
        reachable = (
            translate("是", "yes")
            if peer["reachable"]
            else translate(f"否 {problem}", f"no {problem}").strip()
        )
        seen = (peer["seen_at"] or "—")[:19]
        table.add_row(name, reachable, peer["address"] or "—", seen, str(peer["sessions"]))
    out = console()
    out.print(table)
    for reason, count in document["refused"].items():
        out.print(f"  {count} × {problem_text(reason, reader_language())}", markup=False)


def _print_catalog(document: Mapping[str, Any]) -> None:
    out = console()
    for channel in document["channels"]:
        state = {
            True: translate("在线", "ON "),
            False: translate("离线", "OFF"),
            None: translate("未知", "?  "),
        }[channel["online"]]
        gone = (
            translate(f" 缺 {channel['missing']} 次", f" missing {channel['missing']}")
            if channel["missing"]
            else ""
        )
        where = " / ".join(channel["path"])
        out.print(f"{channel['code']} {state} {where} {channel['name']}{gone}", markup=False)
    out.print(
        translate(
            f"{len(document['channels'])} 项，{document['proposed']} 路未登记在 cameras.csv",
            f"{len(document['channels'])} items, {document['proposed']} not in cameras.csv",
        ),
        markup=False,
    )
    if document["rows"]:
        out.print(
            translate(
                f"{document['rows']}：补全网格、室外与同意后并入 cameras.csv",
                f"{document['rows']}: add grid, placement and consent, then append to cameras.csv",
            ),
            markup=False,
        )

"""`patrol onvif scan|probe`: find ONVIF devices, and see what one offers; nothing is stored.

A scan asks who is there and takes no picture: by multicast in the machine's own network, or address
by address in a network that is named, slowly. `probe` logs in to one device and lists its profiles
with the address to write into cameras.csv; for the picture itself there is `patrol probe onvif://…`.
"""

import asyncio
import ipaddress
from typing import Annotated, Any

import typer

from patrol.cli.camera_address import PasswordFile, PasswordStdin, address_of, with_password
from patrol.cli.options import AsJson
from patrol.cli.output import BAD_INPUT, FAILED, bad_input, console, folding_table, print_json
from patrol.cli.probe import report_failure
from patrol.clock import SystemClock
from patrol.domain.errors import Failed
from patrol.domain.reader_language import translate
from streams.address import StreamAddress
from streams.control_http import ControlHttp
from streams.errors import BadAddress, StreamError
from streams.onvif import discovery, soap
from streams.onvif.client import SERVICE_PATH, OnvifClient
from streams.onvif.discovery import DiscoveryResult, FoundDevice
from streams.onvif.soap import OnvifProfile

PROBE_TIMEOUT_S = 20.0


def scan(
    networks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NETWORK]...",
            help="逐个询问的网段，如 192.168.1.0/24；不写则本网段组播。 Networks, each asked.",
        ),
    ] = None,
    *,
    interface: Annotated[
        str, typer.Option("--interface", metavar="IP", help="从本机哪个地址发出。 Our own address.")
    ] = "0.0.0.0",  # noqa: S104  any interface  # nosec B104
    wait_s: Annotated[
        float,
        typer.Option("--wait", metavar="S", min=0.2, max=60, help="等回答几秒。 For answers."),
    ] = 4.0,
    rate: Annotated[
        float,
        typer.Option(
            "--rate", min=1, max=discovery.MAX_RATE, help="每秒询问几个。 Asked a second."
        ),
    ] = 20.0,
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="WS-Discovery 的 UDP 端口。 UDP port.")
    ] = discovery.PORT,
    as_json: AsJson = False,
) -> None:
    """查找 ONVIF 设备：本网段组播，或按网段逐个询问（限速）。 Find ONVIF devices, slowly."""
    found = _discovered(networks or [], interface, wait_s, rate, port)
    devices = sorted(found.devices.values(), key=lambda device: (device.host, device.port))
    if as_json:
        print_json(_scan_document(found, devices))
        return
    _print_devices(found, devices)


def _discovered(
    networks: list[str], interface: str, wait_s: float, rate: float, port: int
) -> DiscoveryResult:
    """Who answered. Raises BadInput for what is no network, Failed where nothing can be sent."""
    try:
        hosts = discovery.hosts_of(networks)
    except ValueError as exc:
        bad_input(f"onvif scan: {exc}")
    try:
        ipaddress.IPv4Address(interface)
    except ValueError:
        bad_input(f"--interface: {interface!r} is no IPv4 address of this machine")
    asked = discovery.discover(
        hosts=hosts, interface=interface, wait_s=wait_s, rate=rate, port=port
    )
    try:
        return asyncio.run(asked)
    except OSError as exc:
        raise Failed(f"onvif scan: {interface}: {exc.strerror or exc}") from exc


def _scan_document(found: DiscoveryResult, devices: list[FoundDevice]) -> dict[str, Any]:
    return {
        "asked": found.asked,
        "unreadable": found.unreadable,
        "unsent": found.unsent,
        "devices": [
            {
                "address": device.address,
                "host": device.host,
                "port": device.port,
                "name": device.name,
                "hardware": device.hardware,
                "location": device.location,
                "endpoint": device.endpoint,
                "xaddrs": list(device.xaddrs),
            }
            for device in devices
        ],
    }


def _print_devices(found: DiscoveryResult, devices: list[FoundDevice]) -> None:
    table = folding_table(
        translate("地址", "address"),
        translate("名称", "name"),
        translate("型号", "hardware"),
        translate("位置", "location"),
    )
    for device in devices:
        table.add_row(device.address, device.name, device.hardware, device.location)
    out = console()
    if devices:
        out.print(table)
    out.print(
        translate(
            f"{len(devices)} 台设备，发出 {found.asked} 次询问",
            f"{len(devices)} devices, {found.asked} probes sent",
        )
    )
    if found.unsent or found.unreadable:
        out.print(
            translate(
                f"未能发出 {found.unsent} 次，不能读的回答 {found.unreadable} 个",
                f"{found.unsent} not sent, {found.unreadable} answers unreadable",
            )
        )


def probe(
    url: Annotated[
        str,
        typer.Argument(metavar="URL", help="设备地址，onvif://[用户@]主机[:端口]/。 The device."),
    ],
    *,
    password_file: PasswordFile = None,
    password_stdin: PasswordStdin = False,
    timeout_s: Annotated[
        float,
        typer.Option("--timeout", metavar="S", min=1, max=600, help="最多等几秒。 Longest wait."),
    ] = PROBE_TIMEOUT_S,
    as_json: AsJson = False,
) -> None:
    """看一台设备：型号、时钟偏差、各码流配置及其地址。 One device: its clock and its profiles."""
    try:
        address = address_of(url if "://" in url else f"onvif://{url}/")
        if address.scheme != "onvif":
            bad_input(f"onvif probe: {address}: write onvif://[USER@]HOST[:PORT]/")
        address = with_password(url, address, password_file, from_stdin=password_stdin)
    except BadAddress as exc:
        report_failure("", exc, as_json=as_json)
        raise typer.Exit(BAD_INPUT) from exc
    try:
        document = asyncio.run(_device_document(address, timeout_s))
    except StreamError as exc:
        report_failure(str(address), exc, as_json=as_json)
        raise typer.Exit(FAILED) from exc
    if as_json:
        print_json(document)
        return
    _print_device(document)


async def _device_document(address: StreamAddress, timeout_s: float) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + timeout_s
    client = OnvifClient(
        address=address,
        ask=ControlHttp(as_camera=True).ask,
        now=SystemClock().now,
        left_s=lambda: max(0.05, deadline_s - loop.time()),
    )
    await client.read_clock()
    facts = await client.facts()
    namespace, profiles = await client.profiles(facts)
    about = soap.read_device(await client.call(SERVICE_PATH, soap.GET_DEVICE))
    offset = facts.clock_offset_s
    return {
        "address": str(address),
        "manufacturer": about["Manufacturer"],
        "model": about["Model"],
        "firmware": about["FirmwareVersion"],
        "clock_offset_s": None if offset is None else round(offset, 1),
        "login": "http_digest" if client.over_http_digest else "ws_username_token",
        "profiles": [
            _profile_document(
                address, profile, await client.stream_address(facts, namespace, profile)
            )
            for profile in profiles
        ],
    }


def _profile_document(
    address: StreamAddress, profile: OnvifProfile, stream: StreamAddress
) -> dict[str, Any]:
    return {
        "token": profile.token,
        "name": profile.name,
        "encoding": profile.encoding,
        "width": profile.width_px,
        "height": profile.height_px,
        "stream": str(stream),
        "url": f"onvif://{address.authority}/{profile.token}",  # for cameras.csv, login added
    }


def _print_device(document: dict[str, Any]) -> None:
    out = console()
    about = " ".join(filter(None, (document["manufacturer"], document["model"])))
    out.print(f"{document['address']}  {about}  {document['firmware']}")
    offset = document["clock_offset_s"]
    out.print(
        translate(
            f"时钟偏差  {('—' if offset is None else f'{offset:+.1f} s')}",
            f"clock  {('—' if offset is None else f'{offset:+.1f} s')}",
        )
    )
    table = folding_table(
        translate("配置", "profile"),
        translate("编码", "codec"),
        translate("尺寸", "size"),
        translate("写入 cameras.csv 的地址", "url for cameras.csv"),
    )
    for profile in document["profiles"]:
        size = f"{profile['width']}×{profile['height']}" if profile["width"] else "—"
        table.add_row(profile["token"], profile["encoding"] or "—", size, profile["url"])
    out.print(table)

"""Cameras of an ONVIF device, a ticket service, ZLMediaKit and WVP: found, probed and patrolled."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from patrol.cli.source_probe import StageLog
from patrol.domain.source_stages import HTTP_STAGE_ADVICE, HTTP_STAGES
from patrol.domain.source_stages import REASON_ADVICE as SOURCE_REASON_ADVICE
from simulators.http_sources.__main__ import first_jpeg
from simulators.http_sources.gateways import (
    FORBIDDEN_CALLS,
    WVP_KEY,
    ZLM_SECRET,
    GatewayFault,
    WvpSimulator,
    ZlmSimulator,
)
from simulators.http_sources.onvif_device import OnvifDevice, OnvifFault, answering_discovery
from simulators.http_sources.ticket_service import (
    APP_KEY,
    APP_SECRET,
    TicketFault,
    TicketServiceSimulator,
    profile_text,
)
from streams.model import VisitStage
from tests.support.lookalikes import media, serving_in_thread

CliSite = Any  # conftest's
PASSWORD = "on/vif@pass"


@dataclass
class Sources:
    """The look-alikes, served for all tests of this module."""

    onvif: OnvifDevice
    ticket: TicketServiceSimulator
    zlm: ZlmSimulator
    wvp: WvpSimulator
    discovery_port: int = 0


@pytest.fixture(scope="module")
def sources() -> Iterator[Sources]:
    zlm = ZlmSimulator(media())
    live = media()
    made = Sources(
        onvif=OnvifDevice(live, password=PASSWORD, snapshot=first_jpeg(live)),
        ticket=TicketServiceSimulator(media()),
        zlm=zlm,
        wvp=WvpSimulator(zlm),
    )

    @asynccontextmanager
    async def device() -> AsyncIterator[int]:
        async with made.onvif.serving() as port, answering_discovery(made.onvif) as udp:
            made.discovery_port = udp
            yield port

    with ExitStack() as stack:
        for serving in (device, made.ticket.serving, made.wvp.serving):
            stack.enter_context(serving_in_thread(serving))
        yield made


@pytest.fixture
def sourced_site(cli_site: CliSite, sources: Sources) -> CliSite:
    """The small site with four cameras, one of each source."""
    config: Path = cli_site.home / "config"
    (config / "sim.yaml").write_text(profile_text(), "utf-8")
    (config / "sources.yaml").write_text(
        f"""\
vendors:
  sim:
    profile_file: sim.yaml
    url: http://127.0.0.1:{sources.ticket.port}
    allow: [127.0.0.0/8]
    secrets: {{app_key: {APP_KEY}, app_secret: {APP_SECRET}}}
gateways:
  zlm:
    {{kind: zlm, url: "http://127.0.0.1:{sources.zlm.port}", secret: {ZLM_SECRET},
     rtsp_port: {sources.zlm.media.rtsp_port}}}
  wvp: {{kind: wvp, url: "http://127.0.0.1:{sources.wvp.port}", api_key: {WVP_KEY}}}
""",
        "utf-8",
    )
    with (config / "site.yaml").open("a", encoding="utf-8") as site:
        site.write("sampling: {spacing_s: 0.5}\n")
    cameras = (config / "cameras.csv").read_text("utf-8").splitlines()
    login = "admin:on%2Fvif%40pass"
    urls = [
        f"onvif://{login}@127.0.0.1:{sources.onvif.port}/Profile_1",
        "ticket://sim/D00001",
        "zlm://zlm/live/c1",
        "wvp://wvp/62090204001320000001/62090204001320000002",
    ]
    first = cameras[1].split(",")
    rows = [
        ",".join([f"6209020401132700000{n}", f"{n}号", first[2], url, "yes", *first[5:]])
        for n, url in enumerate(urls, start=1)
    ]
    (config / "cameras.csv").write_text("\n".join([cameras[0], *rows]) + "\n", "utf-8")
    return cli_site


def test_a_round_sees_the_cameras_of_every_source(sourced_site: CliSite, sources: Sources) -> None:
    ended = sourced_site("round", "morning", "--json")
    assert ended.code == 0, ended.err
    totals = ended.document
    assert (totals["planned"], totals["seen"]) == (4, 4), totals
    for secret in (PASSWORD, "on%2Fvif", APP_SECRET, ZLM_SECRET, WVP_KEY, "ticket="):
        assert secret not in ended.out + ended.err
    calls = {*sources.zlm.asked, *sources.wvp.asked}
    assert not any(word in call for call in calls for word in (*FORBIDDEN_CALLS, "snap", "stop"))
    assert sources.onvif.refused == 0


def test_a_device_shows_its_profiles(cli_site: CliSite, sources: Sources, tmp_path: Path) -> None:
    word = tmp_path / "word"
    word.write_text(f"{PASSWORD}\n", "utf-8")
    url = f"onvif://admin@127.0.0.1:{sources.onvif.port}/"
    ended = cli_site("onvif", "probe", url, "--password-file", str(word), "--json")
    assert ended.code == 0, ended.err
    document = ended.document
    assert document["login"] == "ws_username_token"
    assert [profile["token"] for profile in document["profiles"]] == ["Profile_2", "Profile_1"]
    assert document["profiles"][1]["url"] == f"onvif://127.0.0.1:{sources.onvif.port}/Profile_1"
    assert PASSWORD not in ended.out
    shown = cli_site("onvif", "probe", url, "--password-file", str(word))
    assert "Profile_1" in shown.out


@pytest.mark.parametrize("as_json", [False, True])
def test_a_device_that_refuses_says_whose_move_it_is(
    cli_site: CliSite, sources: Sources, *, as_json: bool
) -> None:
    url = f"onvif://127.0.0.1:{sources.onvif.port}/"
    ended = cli_site("onvif", "probe", url, *(["--json"] if as_json else []))
    assert ended.code == 1
    assert "a user and a password are wanted" in (ended.out if as_json else ended.err)


def test_a_scan_of_a_named_network_finds_the_device(cli_site: CliSite, sources: Sources) -> None:
    options = ("--port", str(sources.discovery_port), "--wait", "0.3", "--rate", "100")
    ended = cli_site("onvif", "scan", "127.0.0.0/30", *options, "--json")
    (device,) = ended.document["devices"]
    assert device["address"] == f"onvif://127.0.0.1:{sources.onvif.port}/"
    assert (device["name"], device["hardware"]) == ("Look alike", "SIM-1")
    assert ended.document["asked"] == 2
    assert "Look alike" in cli_site("onvif", "scan", "127.0.0.1", *options).out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("scan", "10.0.0.0/8"), "more than 4096 addresses"),
        (("scan", "here"), "'here' is no network"),
        (("scan", "--interface", "eth0"), "'eth0' is no IPv4 address"),
        (("scan", "--rate", "100000"), ""),
        (("probe", "rtsp://127.0.0.1/"), "write onvif://"),
        (("probe", "onvif://"), "no host"),
    ],
)
def test_what_cannot_be_asked_is_bad_input(
    cli_site: CliSite, arguments: tuple[str, ...], said: str
) -> None:
    ended = cli_site("onvif", *arguments)
    assert ended.code == 2
    assert said in ended.err + ended.out


URLS = ["ticket://sim/D00007", "zlm://zlm/live/c9", "wvp://wvp/62090204001320000001/1"]
STAGES = {
    "onvif": ["device", "profile", "stream_uri", "described"],
    "ticket": ["logged_in", "minted", "described"],
    "zlm": ["listed", "live_url", "described"],
    "wvp": ["logged_in", "listed", "started", "live_url", "described"],
}


def onvif_url(sources: Sources, login: str) -> str:
    return f"onvif://{login}127.0.0.1:{sources.onvif.port}/Profile_1"


@pytest.mark.parametrize(
    ("url", "as_json"), [("onvif", True), (URLS[0], True), (URLS[1], True), (URLS[2], False)]
)
def test_a_probe_shows_the_stages_with_their_times(
    sourced_site: CliSite,
    sources: Sources,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    *,
    as_json: bool,
) -> None:
    monkeypatch.setenv("PATROL_CAM_ONVIF", quote(PASSWORD, safe=""))
    login = "admin:${PATROL_CAM_ONVIF}@"  # as in cameras.csv; a password itself is refused
    address = onvif_url(sources, login) if url == "onvif" else url
    ended = sourced_site("probe", address, *(["--json"] if as_json else []))
    assert ended.code == 0, ended.err
    scheme = address.partition(":")[0]
    if as_json:
        names = [stage["stage"] for stage in ended.document["stages"]]
        assert names == [*STAGES[scheme], "key_frame", "decoded"]
        times = [stage["at_s"] for stage in ended.document["stages"]]
        assert times == sorted(times)
        assert ended.document["freshness"] == "live"
    else:
        for label in ("已登录", "网关已开始点播", "打开直播地址", "关键帧", "已解码"):
            assert label in ended.err
    for secret in (PASSWORD, "on%2Fvif", APP_SECRET, ZLM_SECRET, WVP_KEY, "ticket=", "callId="):
        assert secret not in ended.out + ended.err


def test_an_onvif_camera_is_probed_without_a_site(
    cli_site: CliSite, sources: Sources, tmp_path: Path
) -> None:
    for name in (cli_site.home / "config").iterdir():
        name.unlink()
    word = tmp_path / "word"
    word.write_text(PASSWORD, "utf-8")
    url = onvif_url(sources, "admin@")
    ended = cli_site("probe", url, "--password-file", str(word), "--json")
    assert ended.code == 0, ended.err
    assert ended.document["clock_offset_s"] is not None


@pytest.mark.parametrize(
    ("where", "fault", "url", "code", "said"),
    [
        ("ticket", "OFFLINE", URLS[0], 1, "平台说设备不在线"),
        ("ticket", "EXPIRED", URLS[0], 1, "两次新取的地址都被拒"),
        ("ticket", "PRIVATE_URL", URLS[0], 2, "写入 sources.yaml 的 allow"),
        ("ticket", "TOKEN_DEAD", URLS[0], 1, "核对 sources.yaml 的 secrets"),
        ("ticket", "NO_URL", URLS[0], 1, "对照厂商文档修改 profile"),
        ("zlm", "BAD_SECRET", URLS[1], 1, "ZLMediaKit 不接受 secret"),
        ("wvp", "BAD_SECRET", URLS[2], 1, "网关不接受 api_key"),
        ("wvp", "NO_MEDIA", URLS[2], 1, "点播没有成功"),
        ("wvp", "UNKNOWN_CHANNEL", URLS[2], 1, "平台没有这个设备或通道"),
    ],
)
def test_a_failed_probe_says_whose_move_it_is(
    sourced_site: CliSite, sources: Sources, where: str, fault: str, url: str, code: int, said: str
) -> None:
    simulator = getattr(sources, where)
    kinds = TicketFault if where == "ticket" else GatewayFault
    simulator.faults = frozenset({kinds[fault]})
    try:
        ended = sourced_site("probe", url, "--json")
        shown = sourced_site("probe", url)
    finally:
        simulator.faults = frozenset()
    assert (ended.code, shown.code) == (code, code)
    failure = ended.document["failure"]
    assert said in f"{failure['whose']['zh']}:{failure['next']['zh']}"
    assert failure["whose"]["zh"]
    assert failure["whose"]["en"]
    assert said.rpartition(":")[2] in shown.err


@pytest.mark.parametrize(
    ("faults", "code", "stage", "said"),
    [
        ({OnvifFault.NO_STREAM}, 0, "decoded", ""),
        ({OnvifFault.NO_STREAM, OnvifFault.OLD_SNAPSHOT}, 1, "key_frame", "172800 s old"),
        ({OnvifFault.NO_ONVIF}, 1, "", "HTTP 404, no ONVIF device"),
    ],
)
def test_a_device_without_a_stream_or_without_onvif(
    cli_site: CliSite,
    sources: Sources,
    monkeypatch: pytest.MonkeyPatch,
    faults: set[OnvifFault],
    code: int,
    stage: str,
    said: str,
) -> None:
    monkeypatch.setenv("PATROL_CAM_ONVIF", quote(PASSWORD, safe=""))
    sources.onvif.faults = frozenset(faults)
    try:
        url = onvif_url(sources, "admin:${PATROL_CAM_ONVIF}@")
        ended = cli_site("probe", url, "--json", "--timeout", "5")
    finally:
        sources.onvif.faults = frozenset()
    assert ended.code == code, ended.err
    reached = [one["stage"] for one in ended.document["stages"]]
    assert reached[-1:] == ([stage] if stage else [])
    assert ("snapshot_uri" in reached) == bool(stage)
    assert said in str(ended.document.get("failure"))


def test_a_ticket_services_devices_are_addresses(sourced_site: CliSite) -> None:
    ended = sourced_site("ticket", "devices", "sim", "--json")
    devices = ended.document["devices"]
    assert len(devices) == 120
    assert devices[1] == {
        "id": "D00001", "name": "摄像头1", "online": True, "url": "ticket://sim/D00001"
    }  # fmt: skip
    assert "120 台设备" in sourced_site("ticket", "devices", "sim").out
    assert sourced_site("ticket", "devices", "sin").code == 2


def test_an_unknown_name_is_bad_input(sourced_site: CliSite) -> None:
    ended = sourced_site("probe", "ticket://sin/D1")
    assert ended.code == 2
    assert "sources.yaml has no 'sin' under vendors, known: sim" in ended.err


@pytest.mark.parametrize(
    ("scheme", "stage", "reason", "said"),
    [
        ("gb28181", "invited", "registration_refused", "注册密码"),
        ("gb28181", "invited", "stream_busy", "路数上限"),
        ("ticket", "logged_in", "stream_busy", "路数已满"),
        ("ticket", "logged_in", "scheme_refused", "不是视频流地址"),
        ("onvif", "begun", "unreadable", "没有 ONVIF 应答"),
        ("onvif", "begun", "tls_failed", "camera_tls.ca_file"),
        ("rtsps", "begun", "tls_failed", "camera_tls.ca_file"),
    ],
)
def test_the_reason_decides_the_advice_and_then_the_stage(
    scheme: str, stage: str, reason: str, said: str
) -> None:
    log = StageLog()
    if stage != "begun":
        log.add(VisitStage(stage))
    advice = log.advice(scheme, reason)
    assert advice is not None
    assert said in advice[0]


def test_every_stage_has_its_label_and_every_advice_its_owner() -> None:
    for zh, en in (*HTTP_STAGE_ADVICE.values(), *SOURCE_REASON_ADVICE.values()):
        assert zh.partition("：")[1] == "："
        assert en.partition(": ")[1] == ": "
        assert 2 <= len(zh.partition("：")[0]) <= 12
    stages = {stage for _, stage in HTTP_STAGE_ADVICE if stage != "begun"}
    assert stages <= HTTP_STAGES.keys()
    assert {stage for names in STAGES.values() for stage in names} <= HTTP_STAGES.keys()

"""`vendors:` and `gateways:` of sources.yaml: what is read, and one line for everything else."""

from typing import Any

import pytest

from patrol.app.http_sources import ticket_services
from patrol.clock import SystemClock
from patrol.settings import load_site
from patrol.settings.sources_http import wvp_gateways, zlm_gateways
from simulators.http_sources.ticket_service import profile_text
from streams.gateways.gateway import LiveProtocol

Town = Any  # conftest's
KEYS = "secrets: {app_key: k, app_secret: s3cret-word}"
BAD_VENDORS = [
    ("{}", "sim: give profile: NAME or profile_file: FILE, one of them"),
    ("{profile: ezviz, profile_file: sim.yaml}", "one of them"),
    ("{profile: ezvis, " + KEYS + "}", "sim.profile: 'ezvis' is not shipped, did you mean 'ezviz'"),
    ("{profile: nobody, " + KEYS + "}", "is not shipped, known: china-telecom, ezviz, huawei-ivm"),
    ("{profile: ezviz}", "sim.secrets: the profile needs app_key, app_secret, add them"),
    ("{profile: ezviz, secrets: {app_key: k}}", "the profile needs app_secret, add them"),
    ("{profile: ezviz, secrets: {app_key: k, app_secret: s3cret-word, app_secrt: x}}",
     "app_secrt: the profile has no such secret, did you mean 'app_secret'?"),
    ("{profile: ezviz, secrets: {app_key: k}, secret_files: {app_secret: no/such}}",
     "app_secret: no such file"),
    ('{profile: ezviz, secrets: {app_key: k, app_secret: "${PATROL_NONE}"}}',
     "sim.secrets.app_secret: the environment has no PATROL_NONE"),
    ('{profile: ezviz, secrets: {app_key: "${HOME}", app_secret: x}}', "begin with PATROL_"),
    ("{profile: ezviz, url: ftp://x, " + KEYS + "}", "sim.url: is no address of a service"),
    ("{profile: ezviz, url: 'https://u:p@x', " + KEYS + "}", "holds more than host and path"),
    ("{profile: ezviz, allow: [10.0.0.300], " + KEYS + "}", "is no network"),
    ("{profile: ezviz, sessions: 0, " + KEYS + "}", "sim.sessions: "),
    ("{profile: ezviz, profle: x, " + KEYS + "}", "unknown setting, did you mean 'profile'?"),
    ("{profile_file: no/such.yaml, " + KEYS + "}", "sim.profile_file: no such file"),
]  # fmt: skip
BAD_GATEWAYS = [
    ("{kind: zlm}", "gate.url: is missing"),
    ("{url: 'http://g'}", "gate.kind: is missing"),
    ("{kind: vlc, url: 'http://g'}", "gate.kind: "),
    ("{kind: zlm, url: g}", "gate.url: is no address of a service"),
    ("{kind: zlm, url: 'http://g:99999'}", "the host or the port cannot be read"),
    ("{kind: zlm, url: 'http://g', api_key: x}", "api_key is no setting of kind: zlm"),
    ("{kind: wvp, url: 'http://g', secret: x}", "secret is no setting of kind: wvp"),
    ("{kind: wvp, url: 'http://g', user: u}", "user and password (or password_file) go together"),
    ("{kind: wvp, url: 'http://g', api_key: k, user: u, password: s3cret-word}",
     "gives api_key and a user"),
    ("{kind: wvp, url: 'http://g', user: u, password: s3cret-word, password_file: x}",
     "gives password and password_file"),
    ("{kind: wvp, url: 'http://g', owns_streams: true}", "owns_streams needs media: NAME"),
    ("{kind: wvp, url: 'http://g', owns_streams: true, media: none}",
     "gate.media: 'none' is no gateway of kind: zlm here"),
    ("{kind: zlm, url: 'http://g', protocols: []}", "protocols is empty"),
    ("{kind: zlm, url: 'http://g', protocols: [webrtc]}", "gate.protocols[0]: "),
    ("{kind: zlm, url: 'http://g', rtsp_port: 0}", "gate.rtsp_port: "),
    ("{kind: zlm, url: 'http://g', rtsp_port: true}", "true is not a number"),
    ("{kind: zlm, url: 'http://g', rewrite_host: 'a b'}", "is no host"),
    ("{kind: wvp, url: 'http://g', play_timeout_s: .inf}", "gate.play_timeout_s: "),
]  # fmt: skip


@pytest.mark.parametrize(("vendor", "said"), BAD_VENDORS)
def test_a_wrong_vendor_is_one_line_with_its_place(town: Town, vendor: str, said: str) -> None:
    town.write("sources.yaml", f"# ours\nvendors:\n  sim: {vendor}\n")
    (found,) = town.complaints()
    assert found.startswith("sources.yaml:3: vendors.sim")
    assert said in found
    assert "s3cret" not in found


@pytest.mark.parametrize(("gateway", "said"), BAD_GATEWAYS)
def test_a_wrong_gateway_is_one_line_with_its_place(town: Town, gateway: str, said: str) -> None:
    town.write("sources.yaml", f"gateways:\n  gate: {gateway}\n")
    (found,) = town.complaints()
    assert found.startswith("sources.yaml:2: gateways.gate")
    assert said in found
    assert "s3cret" not in found


BAD_PROFILES = [
    ("url: {call: {path: /x}, url: u}\nsing: 1\n", ":2: sing: unknown setting, did you mean"),
    ("encode: form\n", ":1: url: is missing"),
    ("url: {call: {path: x}, url: u}\n", ":1: url.call.path: 'x' is no path"),
    ("url: {call: {path: /x, method: DELETE}, url: u}\n", "is no method here"),
    (("url:\n  call: {path: /x}\n  url: u\nsign:\n  steps:\n    - {op: now_ms, into: a}\n"
     "    - {op: eval, into: b}\n"), ":7: sign.steps[1].op: "),
    (("url:\n  call: {path: /x}\n  url: u\nsign:\n  steps:\n    - {op: now_ms, into: a}\n"
     "    - {op: md5_hex, into: b, from: nope}\n"),
     ":7: sign[1]: 'nope' is no secret, constant or earlier step"),
    ("url:\n  call: {path: '/{token}'}\n  url: u\n", "a call asks for {token}"),
    ("url:\n  call:\n    path: /x\n    params: {t: '{nope}'}\n  url: u\n", "{nope} is no secret"),
    ("url: {call: {path: /x}, url: u}\nerrors: {fatal: [1]}\n", "errors.fatal: "),
    ("url: {call: {path: /x}, url: u, expires: {path: e, as: tuesday}}\n", "url.expires.as: "),
    ("url: {call: {path: /x}, url: u}\nlimits: {parallel: 0}\n", ":2: limits.parallel: "),
    ("- a\n", ":1: "),
    ("", ":1: file: is empty"),
    ("url: [\n", ":2: yaml: "),
]  # fmt: skip


@pytest.mark.parametrize(("profile", "said"), BAD_PROFILES)
def test_a_wrong_profile_has_its_own_files_line(town: Town, profile: str, said: str) -> None:
    town.write("sim.yaml", profile)
    town.write("sources.yaml", "vendors:\n  sim: {profile_file: sim.yaml, url: 'http://v'}\n")
    found = town.complaints()
    assert found
    assert "sim.yaml:" in found[0]
    assert said in found[0]


def test_a_profile_without_an_address_needs_one(town: Town) -> None:
    town.write("sim.yaml", profile_text())
    town.write("sources.yaml", f"vendors:\n  sim: {{profile_file: sim.yaml, {KEYS}}}\n")
    (found,) = town.complaints()
    assert found == (
        "sources.yaml:2: vendors.sim.url: is missing, and the profile names no address"
    )


WHOLE = """\
vendors:
  telecom:
    profile: china-telecom
    secrets: {app_id: a, app_secret: "${PATROL_CTCC}", enterprise_user: u}
    secret_files: {rsa_private_key: key.pem}
    allow: [10.8.0.0/16]
    sessions: 6
gateways:
  hall: {kind: wvp, url: "http://10.0.0.5:18080/", user: u, password_file: word,
    media: zlm-1, owns_streams: true}
  zlm-1: {kind: zlm, url: "https://zlm.example:8443", secret: s3cret-word,
    protocols: [flv, rtsp], rewrite_host: "[fd00::1]"}
"""


def test_a_whole_file_is_read_and_prints_no_secret(town: Town) -> None:
    town.write("key.pem", "PRIVATE\nKEY\n")
    town.write("word", "from-file\n")
    town.write("sources.yaml", WHOLE)
    sources = load_site(town.directory, {"PATROL_CTCC": "s3cret-env"}).sources
    assert "s3cret" not in repr(sources)
    service = ticket_services(sources, SystemClock())["telecom"]
    assert service.account.secrets["app_secret"] == "s3cret-env"
    assert service.account.secrets["rsa_private_key"] == "PRIVATE\nKEY"
    assert service.account.base == "https://vcp.21cn.com"
    assert service.account.targets.permits("x", "10.8.1.1")
    assert not service.account.targets.permits("x", "10.9.1.1")
    assert "s3cret" not in repr(service.account)
    hall, zlm = wvp_gateways(sources.gateways)["hall"], zlm_gateways(sources.gateways)["zlm-1"]
    assert (hall.password, hall.base, hall.media) == ("from-file", "http://10.0.0.5:18080", zlm)
    assert hall.live.targets.permits("10.0.0.5", "10.0.0.5")
    assert not hall.live.targets.permits("other", "10.0.0.6")
    assert zlm.live.order == (LiveProtocol.FLV, LiveProtocol.RTSP)
    assert zlm.live.rewrite_host == "fd00::1"
    assert "from-file" not in repr(hall)
    assert {str(a): n for a, n in sources.session_limits().items()} == {"ticket://telecom/": 6}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ticket://telcom/D1", "no 'telcom' under vendors, did you mean 'telecom'?"),
        ("zlm://hall/live/1", "no 'hall' under gateways"),
        ("wvp://zlm-1/d/c", "no 'zlm-1' under gateways"),
        ("wvp://hall/d", "behind the gateway stand a device's and a channel's code"),
        ("ticket://telecom/D1?chanel=2", "what stands behind ? is not understood"),
        ("ticket://u:p@telecom/D1", "user and password stand in sources.yaml"),
        ("zlm://zlm-1:80/live/1", "the port stands in sources.yaml"),
        ("onvif://cam/a/b", "one profile's token"),
    ],
)
def test_cameras_name_what_is_there(town: Town, url: str, said: str) -> None:
    town.write("key.pem", "x")
    town.write("word", "x")
    town.write("sources.yaml", WHOLE.replace("${PATROL_CTCC}", "x"))
    town.spoil("cameras.csv", "rtsp://192.0.2.2/b", url)
    (found,) = town.complaints()
    assert found.startswith("cameras.csv:3: url: ")
    assert said in found


@pytest.mark.parametrize(
    "url",
    ["ticket://telecom/D1?channel=2", "zlm://zlm-1/live/1?sign=x", "wvp://hall/d/c",
     "onvif://admin:pass@10.0.0.9:8000/Profile_1", "onvif://10.0.0.9/", "rtsp+ws://10.0.0.9/a",
     "rtsp+https://u:p@10.0.0.9/a"],
)  # fmt: skip
def test_addresses_that_are_right(town: Town, url: str) -> None:
    town.write("key.pem", "x")
    town.write("word", "x")
    town.write("sources.yaml", WHOLE.replace("${PATROL_CTCC}", "x"))
    town.spoil("cameras.csv", "rtsp://192.0.2.2/b", url)
    assert town.complaints() == []

"""The simulated recorder and the platform above by the command line: faults by their names."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from patrol.settings.sources_gb28181 import Gb28181Settings, Registration
from simulators.gb28181 import __main__ as command
from simulators.gb28181.faults import DeviceFaults
from simulators.gb28181.platform_above import AboveFaults
from simulators.gb28181.program_stream import MuxOptions


def test_faults_are_given_by_name_and_value() -> None:
    text = "lf_only,session_cap=2,frees_after_s=1.5,container=ts,preamble=0101,needs_algorithm"
    device, above = command.read_faults(
        f"{text},declared=h264,refuses=403 Forbidden,with_map=false"
    )
    assert device == DeviceFaults(
        lf_only=True, session_cap=2, frees_after_s=1.5, container="ts", preamble=b"\x01\x01",
        needs_algorithm=False, mux=MuxOptions(declared="h264", with_map=False),
    )  # fmt: skip
    assert above == AboveFaults(refuses="403 Forbidden")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lfonly", "no fault 'lfonly', give some of .*lf_only"),
        ("session_cap=many", "fault session_cap: 'many' is no int"),
        ("lf_only=perhaps", "fault lf_only: 'perhaps' is no bool"),
        ("preamble=xyz", "fault preamble: 'xyz' is no bytes"),
        ("session_cap", "fault session_cap: '' is no int"),
    ],
)
def test_what_is_no_fault_is_one_line(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        command.read_faults(text)


@pytest.mark.parametrize(("kind", "sip"), [("device", "udp"), ("device", "tcp"), ("above", "udp")])
def test_it_serves_until_it_is_stopped_and_says_what_it_counted(
    kind: str,
    sip: str,  # over TCP before anybody listens
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = SimpleNamespace(units=[b"\0\0\1\x65"], format=SimpleNamespace(codec="h264"))
    loop.is_key = lambda _index: True
    monkeypatch.setattr(command, "load_loop", lambda *_given: loop)

    async def stopped(serve: command.Serve) -> None:
        stop = asyncio.Event()
        stop.set()
        await serve(stop)

    def at_once(_name: str, serve: command.Serve) -> int:
        asyncio.run(stopped(serve))
        return 0

    monkeypatch.setattr(command, "serve_until_signal", at_once)
    options = ["--out", str(tmp_path), "--channels", "2", "--transport", sip]
    assert command.main([kind, *options]) == 0
    ready, counts = map(yaml.safe_load, capsys.readouterr().out.splitlines())
    assert [address.startswith("gb28181://sim/620902") for address in ready["addresses"]] == [
        True
    ] * 2
    assert (counts["invites"], counts["open"]) == (0, 0)
    section = yaml.safe_load(Path(ready["config"]).read_text(encoding="utf-8"))["gb28181"]
    peer = Gb28181Settings.model_validate(section).peers["sim"]
    wanted = Registration.ACCEPT if kind == "device" else Registration.REGISTER
    assert peer.registration is wanted


def test_a_name_that_both_kinds_have_is_meant_of_the_kind_that_is_served() -> None:
    device, above = command.read_faults("silent,lf_only", "above")
    assert (device.silent, device.lf_only, above.silent) == (False, True, True)
    device, above = command.read_faults("silent", "device")
    assert (device.silent, above.silent) == (True, False)

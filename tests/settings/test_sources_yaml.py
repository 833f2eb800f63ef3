"""sources.yaml: what is read, and what is said of everything else."""

from typing import Any

import pytest

from patrol.settings import load_site
from streams.address import StreamAddress

Town = Any  # conftest's
OURS, THEIRS, OTHER = "62090200002000000001", "62090200002000000002", "62090200002000000003"
PEER = f'{{id: "{THEIRS}", password: s3cret-word}}'
BAD_PEERS = [
    (f'{{id: "{THEIRS}", pasword: x}}', "town.pasword: unknown setting, did you mean 'password'?"),
    (f'{{id: "{THEIRS}"}}', "town: has no password"),
    ('{id: "123", password: x}', "town.id: '123' is not a GB/T 28181 device code"),
    (f'{{id: "{OURS}", password: x}}', "peer 'town' has the code of gb28181 itself"),
    (f'{{id: "{THEIRS}", registration: register, password: x}}', "needs address: IP:PORT"),
    (f'{{id: "{THEIRS}", registration: none}}', "needs address: IP:PORT"),
    (f'{{id: "{THEIRS}", registration: none, address: "nvr:5060"}}', "is no address"),
    (f'{{id: "{THEIRS}", registration: none, address: "10.0.0.1:0"}}', "has no port"),
    (f'{{id: "{THEIRS}", password: x, sessions: 0}}', "town.sessions: "),
    (f'{{id: "{THEIRS}", password: x, sessions: true}}', "true is not a number"),
    (f'{{id: "{THEIRS}", password: x, media: tcp}}', "town.media: "),
    (f'{{id: "{THEIRS}", password: x, version: "2011"}}', "town.version: "),
    (f'{{id: "{THEIRS}", password: x, allow_from: [10.0.0.300]}}', "is no network"),
    (f'{{id: "{THEIRS}", without_password: true}}', "one single address"),
    (f'{{id: "{THEIRS}", without_password: true, allow_from: [10.0.0.0/24]}}', "one single"),
    (f'{{id: "{THEIRS}", password: "${{PATROL_GB}}"}}', "the environment has no PATROL_GB"),
    (f'{{id: "{THEIRS}", password: "${{HOME}}"}}', "only names that begin with PATROL_"),
    (f'{{id: "{THEIRS}", password_file: no/such}}', "town.password_file: no such file"),
    (f'{{id: "{THEIRS}", password_file: ~/x}}', "`~` is not expanded"),
    (f'{{id: "{THEIRS}", password: x, extra_sdp: ["a=x\\r\\nm=y"]}}', "is no line of SDP"),
    (f'{{id: "{THEIRS}", password: x, regions: [x1]}}', "is no beginning of a code"),
]


def write(town: Town, peer: str, more: str = "") -> None:
    town.write(
        "sources.yaml", f'gb28181:\n  id: "{OURS}"\n{more}  peers:\n    town: {peer}\n    # end\n'
    )


@pytest.mark.parametrize(("peer", "said"), BAD_PEERS)
def test_a_wrong_peer_is_one_line_with_its_place(town: Town, peer: str, said: str) -> None:
    write(town, peer)
    found = [text for text in town.complaints() if text.startswith("sources.yaml:")]
    assert len(found) == 1, found
    assert said in found[0]
    assert "s3cret" not in found[0]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("  media_ports: 30000\n", "is no range of ports"),
        ("  media_ports: 40000-30000\n", "is no range of ports"),
        ("  port: 70000\n", "gb28181.port: "),
        ("  host: centre\n", "is no IP address"),
        ("  media_ports: 5000-5100\n", "gb28181.media_ports: 5000-5100 holds the SIP port 5060"),
    ],
)
def test_a_wrong_setting_of_ours_has_its_line(town: Town, more: str, said: str) -> None:
    write(town, PEER, more)
    (found,) = town.complaints()
    assert found.startswith("sources.yaml:")
    assert said in found


@pytest.mark.parametrize("text", ["- a\n", "x\n", "gb28181: 5\n", "gb28181: {peers: {}}\n"])
def test_a_file_of_another_shape_is_one_line(town: Town, text: str) -> None:
    town.write("sources.yaml", text)
    found = town.complaints()
    assert found
    assert all(line.startswith("sources.yaml:1: ") for line in found)


def test_a_camera_names_a_peer_that_is_there(town: Town) -> None:
    town.spoil("cameras.csv", "rtsp://192.0.2.2/b", "gb28181://twn/62090204001320000001")
    without = "cameras.csv:3: url: sources.yaml has no 'twn' under gb28181.peers, add it there"
    assert town.complaints() == [without]
    write(town, PEER)
    near = "cameras.csv:3: url: sources.yaml has no 'twn' under gb28181.peers, did you mean 'town'?"
    assert town.complaints() == [near]
    town.spoil("cameras.csv", "//twn/", "//town/")
    sources = load_site(town.directory, {}).sources
    assert "s3cret" not in repr(sources)
    limits = sources.session_limits()
    assert limits == {StreamAddress(scheme="gb28181", host="town", port=0, path="/"): 4}


def test_a_password_comes_from_its_file_or_the_environment(town: Town) -> None:
    (town.directory / "word").write_text("from-file\nrest\n", encoding="utf-8")
    write(town, f'{{id: "{THEIRS}", password_file: word}}')
    peers = load_site(town.directory, {}).sources.gb28181.peers
    assert peers["town"].read_password() == "from-file"
    write(town, f'{{id: "{THEIRS}", password: "${{PATROL_GB}}"}}')
    peers = load_site(town.directory, {"PATROL_GB": "from-env"}).sources.gb28181.peers
    assert peers["town"].read_password() == "from-env"


def test_two_peers_with_one_code_are_refused(town: Town) -> None:
    write(town, PEER + f'\n    twin: {{id: "{THEIRS}", password: y}}')
    (found,) = town.complaints()
    assert found.startswith("sources.yaml:5: gb28181.peers.twin.id: ")
    assert "peer 'twin' has the code of 'town'" in found
    assert OTHER not in found

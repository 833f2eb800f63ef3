"""Every parser and upload × seeded damage: its own errors alone, in bounded memory and CPU.

A failure is repeated by `python -m tests.long.fuzz.run_fuzz --seed S --only NAME --number N`.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import pytest

from patrol.messaging import topics
from patrol.settings import CONFIG_FILES
from tests.long.fuzz.entrances import SITE, all_entrances
from tests.support.peak_memory import ROOT

OURS: Final = "made by this program, or read out of its own store"
CALLED: Final = "calls functions that have an entrance, and keeps what they refuse"
SERVED: Final = "tests/web/test_hostile_values.py and test_request_limits.py, where a server runs"
NOT_FROM_OUTSIDE: Final = {  # public functions that take bytes, and why they have no entrance
    "patrol/administration/camera_table.py": SERVED,
    "patrol/app/application.py": CALLED,
    "patrol/administration/people_tables.py": "as `site people.csv` and the like, which have one",
    "patrol/administration/table_files.py": "as `site people.csv` and the like, which have one",
    "patrol/app/finding_service.py": SERVED,
    "patrol/app/ground_service.py": CALLED,
    "patrol/app/helper_service.py": CALLED,
    "patrol/app/town_service.py": SERVED,
    "patrol/bench/subscriber.py": OURS,
    "patrol/cases/reply_handler.py": CALLED,
    "patrol/cluster/exchange.py": OURS,
    "patrol/cluster/worker_services.py": OURS,
    "patrol/domain/picture_link.py": OURS,
    "patrol/evaluation/damaged_streams.py": OURS,
    "patrol/files.py": OURS,
    "patrol/inference/onnx_shapes.py": "a weight file, whose sha256 was compared before",
    "patrol/integrations/canary.py": CALLED,
    "patrol/integrations/timestamps.py": "tests/app/test_time_stamps.py spoils real ones",
    "patrol/integrations/webhooks.py": OURS,
    "patrol/mqtt/mosquitto_files.py": OURS,
    "patrol/mqtt/subscriber.py": CALLED,
    "patrol/pictures.py": OURS,
    "patrol/pixels.py": CALLED,
    "patrol/ports.py": OURS,
    "patrol/reports/ledger_sheet.py": OURS,
    "patrol/store/cameras.py": OURS,
    "patrol/store/pictures.py": OURS,
    "patrol/store/site_keys.py": OURS,
    "patrol/vision/camera_memory.py": OURS,
    "patrol/vision/change/compare.py": OURS,
    "patrol/vision/quality/baseline.py": OURS,
    "patrol/vision/redaction.py": OURS,
    "patrol/vision/reference/learning.py": OURS,
    "patrol/vision/reference/scene_memory.py": OURS,
    "patrol/web/http_protocol.py": SERVED,
    "patrol/app/gb28181_control.py": CALLED,
    "patrol/encryption/day_keys.py": OURS,
    "patrol/encryption/site_key.py": OURS,
    "streams/annexb.py": CALLED,
    "streams/gb28181/endpoint.py": CALLED,
    "streams/gb28181/media_receiver.py": CALLED,
    "streams/gb28181/message_log.py": CALLED,
    "streams/gb28181/platform.py": CALLED,
    "streams/gb28181/requests.py": OURS,
    "streams/gb28181/rtp_framing.py": CALLED,
    "streams/gb28181/sip_message.py": OURS,
    "streams/gb28181/transactions.py": OURS,
    "streams/mpeg/key_pictures.py": CALLED,
    "streams/onvif/discovery.py": CALLED,
    "streams/rtsp/http_tunnel.py": OURS,
    "streams/rtsp/websocket.py": OURS,
    "streams/ticket/primitives.py": OURS,
    "streams/bounded_http.py": "tests/streams/capture/test_bounded_http.py, where a server runs",
    "streams/libav.py": CALLED,
    "streams/rtsp/depacketizer.py": CALLED,
}


def failures_of(seed: int, inputs: int) -> list[str]:
    """A line for each failure of a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.long.fuzz.run_fuzz", "--seed", str(seed),
         "--inputs", str(inputs)],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=1500,
    )  # fmt: skip
    assert done.stdout, done.stderr[-3000:]
    *failures, total = (json.loads(line) for line in done.stdout.splitlines())
    assert total["failures"] == len(failures)
    assert total["inputs"] >= inputs * total["entrances"] // 4, "the whole table was tried"
    return [
        f"--seed {seed} --only {one['entrance']!r} --number {one['number']}: {one['error']}"
        for one in failures
    ]


@pytest.mark.slow
def test_a_slice_of_damaged_inputs_is_taken_or_refused() -> None:
    assert failures_of(seed=1, inputs=150) == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 12))
def test_damaged_inputs_are_taken_or_refused(seed: int) -> None:
    assert failures_of(seed, inputs=20_000) == []


def takers_of_bytes() -> Iterator[str]:
    """file:function of the public functions that take bytes, as the source says."""
    files = (path for top in ("streams", "patrol") for path in (ROOT / top).rglob("*.py"))
    for path in sorted(files):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            hints = [ast.unparse(one.annotation) for one in arguments if one.annotation]
            if not node.name.startswith("_") and any(_is_bytes(hint) for hint in hints):
                yield f"{path.relative_to(ROOT)}:{node.name}"


def _is_bytes(hint: str) -> bool:
    return "bytes" in hint and "Callable" not in hint


def test_every_function_that_takes_bytes_has_an_entrance_or_a_reason() -> None:
    with all_entrances() as entrances:
        covered = {function for entrance in entrances for function in entrance.covers}
    found = set(takers_of_bytes())
    assert covered <= found, "an entrance names what is no more"
    files = {function.partition(":")[0] for function in found}
    assert set(NOT_FROM_OUTSIDE) <= files, "a reason for what is no more"
    forgotten = {
        function
        for function in found - covered
        if function.partition(":")[0] not in NOT_FROM_OUTSIDE
    }
    assert forgotten == set(), "give it an entrance in entrances.py"


def test_every_topic_and_every_file_of_a_site_has_an_entrance() -> None:
    with all_entrances() as entrances:
        names = {entrance.name for entrance in entrances}
    assert {f"mqtt {pattern}" for pattern in topics.inbox_filters(SITE)} <= names
    assert {f"site {name}" for name in CONFIG_FILES} <= names

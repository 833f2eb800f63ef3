"""Every entrance that once took gigabytes, attacked in a process whose memory is limited."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.long.memory.attack_entrance import DECODERS, REQUESTS

ROOT = Path(__file__).parents[3]
AT_MOST_MB = {"png": 8, "jpeg": 8, "json": 60, "multipart": 60, "csv": 300, "logins": 260}
QUICK = {"png", "csv"}


def attacked(name: str) -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.long.memory.attack_entrance", name],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]
    made: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return made


def is_refused(name: str, answer: Any) -> bool:
    if name in DECODERS:
        return "picture" in answer
    if name == "csv":
        return answer["status"] in {413, 422} and answer["bytes"] < 200_000
    if name == "logins":
        return 401 in answer and set(answer) <= {401, 429, 503}
    return answer in ({401, 413} if name == "json" else {413})


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in QUICK else [pytest.mark.soak])
        for name in (*DECODERS, *REQUESTS)
    ],
)
def test_an_attack_is_refused_within_its_memory(name: str) -> None:
    made = attacked(name)
    assert is_refused(name, made["said"]), made
    assert made["added_mb"] < AT_MOST_MB[name], made

"""A service that runs rounds for years stays as large as its first ones left it.

Held before: the arenas that glibc makes for the threads of each round, and the two sockets of every
publisher of a round by hand, kept by a reference cycle until the collector's rare oldest turn.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import av
import numpy as np
import pytest

from patrol.store.engine import POOL_OVERFLOW, POOL_SIZE
from tests.support.peak_memory import ROOT

WARM_ROUNDS: Final = 3  # references are learned, caches filled, connections of the pool opened
GROWTH: Final = 1.10
CLOSING: Final = 4  # sockets of the moment: a publisher that leaves, a camera's end
POOL_FILES: Final = 2 * (POOL_SIZE + POOL_OVERFLOW) + 1  # database and journal; their index
SITE: Final = """
site: {{id: shangba, name: 上坝镇, latitude: 39.6, longitude: 98.75}}
database: sqlite:///{folder}/patrol.db
evidence: {folder}/evidence
objects: false
metrics: {{enabled: false}}
console: {{enabled: false}}
canary: {{enabled: false}}
mqtt: {{url: embedded}}
plans: {{{plans}}}
sampling: {{pictures: 2, spacing_s: 0.0}}
"""


def write_clip(path: Path, seed: int) -> None:
    """Six pictures of 1920×1080, each a key frame: a gradient with blocks, as a yard has edges."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(40, 216, (27, 48, 3), dtype=np.uint8)
    picture = blocks.repeat(40, axis=0).repeat(40, axis=1)
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=2, options={"g": "1", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        for number in range(6):
            noisy = picture ^ rng.integers(0, 8, picture.shape, dtype=np.uint8)
            noisy[:40, : 40 * (number + 1)] = 255
            file.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, format="rgb24")))
        file.mux(stream.encode(None))


def write_site(folder: Path, *, cameras: int, rounds: int) -> None:
    """Cameras whose streams are clips, opened and decoded as any stream is; a plan a round."""
    for name in ("grids.csv", "people.csv"):
        (folder / name).write_bytes((ROOT / "config" / name).read_bytes())
    columns = "camera_id,name,grid_code,place,url,link,household_ref,outdoor,consent,consent_until"
    lines = [columns]
    for number in range(1, cameras + 1):
        clip = folder / f"{number}.mp4"
        write_clip(clip, number)
        ident, url = f"62090204011327{number:06}", f"file://{clip}"
        lines.append(
            f"{ident},c{number},620902104203001,x,{url},v,H-{number},yes,granted,2099-12-31"
        )
    (folder / "cameras.csv").write_text("\n".join(lines) + "\n", "utf-8")
    all_day = '{start: "00:00", finish_by: "23:59"}'
    plans = ", ".join(f"p{number:02}: {all_day}" for number in range(1, rounds + 1))
    (folder / "site.yaml").write_text(SITE.format(folder=folder, plans=plans), "utf-8")


def sizes_of(how: str, folder: Path, rounds: int) -> list[dict[str, int]]:
    """What a process of its own says after each of its rounds."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.long.steady.run_rounds", how, str(folder),
         "--rounds", str(rounds)],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=3000,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [size["round"] for size in found] == list(range(1, rounds + 1))
    return found


def check_flat(sizes: list[dict[str, int]]) -> None:
    """Flat in memory and descriptors; the figures of each round are printed (`pytest -s`)."""
    for size in sizes:
        sys.stdout.write(json.dumps(size) + "\n")
    warm, later = sizes[:WARM_ROUNDS], sizes[WARM_ROUNDS:]
    assert max(s["kb"] for s in later) <= GROWTH * max(s["kb"] for s in warm), sizes
    assert max(s["descriptors"] for s in later) <= (
        max(s["descriptors"] for s in warm) + CLOSING
    ), sizes
    # The pool opens a connection when more threads than ever want one, and keeps it.
    assert max(s["database"] for s in sizes) <= POOL_FILES, sizes


@pytest.mark.slow
@pytest.mark.parametrize("how", ["clock", "hand"])
def test_twelve_rounds_leave_a_service_as_it_was(tmp_path: Path, how: str) -> None:
    write_site(tmp_path, cameras=4, rounds=12)
    check_flat(sizes_of(how, tmp_path, 12))


@pytest.mark.soak
@pytest.mark.parametrize("how", ["clock", "hand"])
def test_fifty_rounds_leave_a_service_as_it_was(tmp_path: Path, how: str) -> None:
    write_site(tmp_path, cameras=40, rounds=50)
    check_flat(sizes_of(how, tmp_path, 50))

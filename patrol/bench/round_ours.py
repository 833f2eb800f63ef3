"""One round as `patrol round` makes it, as a program: `python -m patrol.bench.round_ours`.

Reads `{"config": …, "plan": …}` on stdin; writes the round's summary, with the CPU time of its
stages in milliseconds of all visits together, and how many file descriptors it left open. In a
process of its own, so that processor time and peak memory are the patrol's alone.
"""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from patrol.app import build
from patrol.logs import configure
from patrol.settings import load_site
from patrol.stage_cost import STAGE_COSTS


def main() -> None:
    """Read one JSON document from stdin, write one to stdout."""
    asked: dict[str, Any] = json.load(sys.stdin)
    configure(sys.stderr, logging.WARNING, for_people=True, colors=False)
    config_dir = Path(asked["config"])
    before = open_descriptors()
    with build(load_site(config_dir), config_dir=config_dir) as app:
        summary = app.run_round(asked["plan"])
    spent_s = STAGE_COSTS.spent_s()
    stages_ms = {stage.value: 1000.0 * seconds for stage, seconds in spent_s.items()}
    left = open_descriptors() - before
    sys.stdout.write(json.dumps({**summary, "stages_ms": stages_ms, "descriptors_left": left}))


def open_descriptors() -> int:
    """How many files, sockets and pipes this process has open; 0 where the system does not say."""
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.is_dir() else 0  # noqa: PTH208  names alone


if __name__ == "__main__":
    main()

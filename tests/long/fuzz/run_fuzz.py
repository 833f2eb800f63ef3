"""`python -m tests.long.fuzz.run_fuzz`: damaged input for every entrance, in bounded memory.

Prints a JSON line a failure (entrance, number, error, the input as hex) and one for the whole.
An entrance may refuse by its own errors alone. `--only NAME --number N` repeats one input.
"""

import argparse
import json
import re
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, Final

from tests.long.fuzz.entrance import Entrance
from tests.long.fuzz.entrances import all_entrances
from tests.long.fuzz.mutations import mutated

ADDED_MEMORY_BYTES: Final = 512 << 20  # address space beyond what the imports and samples took
CPU_AN_INPUT_S: Final = 5.0
SHOWN_BYTES: Final = 2000
_SIZE: Final = re.compile(r"VmSize:\s+(\d+) kB")


class TooSlow(BaseException):
    """An input took more CPU time than it may."""


@contextmanager
def bounded() -> Iterator[None]:
    """Limit the process's address space for the block."""
    found = _SIZE.search(Path("/proc/self/status").read_text("ascii"))
    assert found is not None
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = (int(found[1]) << 10) + ADDED_MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _on_timer(_number: int, _frame: FrameType | None) -> None:
    raise TooSlow


def try_input(entrance: Entrance, data: bytes) -> str:
    """Feed it; the failure's text, empty where it was taken or refused as it may be."""
    signal.setitimer(signal.ITIMER_PROF, CPU_AN_INPUT_S)
    try:
        entrance.feed(data)
    except entrance.refusals:
        return ""
    except TooSlow:
        return f"more than {CPU_AN_INPUT_S} s of CPU time"
    except BaseException:  # noqa: BLE001  whatever it is, it is what we look for
        return traceback.format_exc(limit=-6)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return ""


def run(entrance: Entrance, seed: int, numbers: range) -> Iterator[dict[str, Any]]:
    """The failures of an entrance's inputs of these numbers."""
    for number in numbers:
        data = mutated(entrance.samples, Random(f"{seed}/{entrance.name}/{number}"))
        wrong = try_input(entrance, data)
        if wrong:
            yield {
                "entrance": entrance.name, "seed": seed, "number": number, "error": wrong,
                "hex": data[:SHOWN_BYTES].hex(),
            }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--inputs", type=int, default=100, help="of each entrance, scaled")
    parser.add_argument("--only", default="")
    parser.add_argument("--number", type=int)
    asked = parser.parse_args()
    signal.signal(signal.SIGPROF, _on_timer)
    inputs = failures = 0
    with all_entrances() as entrances:
        chosen = [one for one in entrances if asked.only in (one.name, "")]
        for entrance in chosen:
            entrance.feed(entrance.samples[0])  # of refused samples alone nothing deep is reached
        with bounded():
            for entrance in chosen:
                count = max(1, round(asked.inputs * entrance.share))
                one = asked.number
                numbers = range(count) if one is None else range(one, one + 1)
                started = time.process_time()
                for failure in run(entrance, asked.seed, numbers):
                    failures += 1
                    sys.stdout.write(json.dumps(failure) + "\n")
                inputs += len(numbers)
                took = time.process_time() - started
                sys.stderr.write(f"{entrance.name}: {len(numbers)} inputs, {took:.2f} s\n")
    total = {"entrances": len(chosen), "inputs": inputs, "failures": failures}
    sys.stdout.write(json.dumps(total) + "\n")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()

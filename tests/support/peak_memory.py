"""The peak memory of some code, measured in a process of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_MEASURE = """
import re, sys
def peak_kb():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
{setup}
before = peak_kb()
{code}
print(f"PEAK {{peak_kb() - before}}")
"""


def added_peak_mb(setup: str, code: str, *, stdin: bytes = b"") -> float:
    """By how many MB `code` raises the peak over what `setup` left; an error fails the test.

    VmHWM, not ru_maxrss: a child inherits its parent's.
    """
    program = _MEASURE.format(setup=setup, code=code)
    done = subprocess.run(
        [sys.executable, "-c", program], input=stdin, capture_output=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr.decode()
    return int(done.stdout.split(b"PEAK ")[-1]) / 1024

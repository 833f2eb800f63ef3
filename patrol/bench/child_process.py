"""Run one program of a bench in a process of its own and read the JSON document that it prints.

A fresh process gives a way its own processor time and peak memory. Also here: the CPU time that a
function takes on this thread, which a busy machine disturbs less than the wall clock.
"""

import json
import subprocess  # nosec B404
import time
from collections.abc import Callable, Sequence
from typing import Any

ReportProgress = Callable[[str], None]


def json_from_process(
    command: Sequence[str],
    *,
    name: str,
    timeout_s: float,
    request: object = None,
    quote_stderr: bool = False,
) -> dict[str, Any]:
    """The document on the command's stdout; `request` goes in as JSON on stdin.

    Raises RuntimeError: it failed, or took longer. `quote_stderr` puts the last line of its stderr
    into the message; not for programs that may name a camera's URL there.
    """
    # Requests go in by stdin: a command line is everybody's to read, and URLs hold passwords.
    try:
        done = subprocess.run(  # noqa: S603  our own programs  # nosec B603
            command,
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{name}: not done in {timeout_s:g} s") from None
    if done.returncode != 0:
        last_line = (done.stderr.strip().splitlines() or ["nothing"])[-1] if quote_stderr else ""
        ended = f"{name}: ended with {done.returncode}"
        raise RuntimeError(f"{ended}: {last_line}" if quote_stderr else ended)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def thread_cpu_ms(work: Callable[[], object]) -> float:
    """Milliseconds of CPU time that one call takes on this thread."""
    start_s = time.thread_time()
    work()
    return (time.thread_time() - start_s) * 1e3

"""The command line: a module per verb or related verbs, thin over `patrol.app`.

Exit codes: 0 done · 1 it failed at run time · 2 bad input or configuration. With `--json` stdout
holds one JSON document and nothing else; progress and logs go to stderr. A module of several verbs
bears the name of one of them; root.py's table leads from each verb to its function, and imports a
verb's module when it runs. options.py, output.py and site.py are what verbs share.
"""

import atexit
import gc
import os
import sys
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the `patrol` command and end the process with its exit code."""
    os.umask(0o077)  # whatever is made is for this user alone, also without a unit's UMask=
    gc.disable()  # what is imported stays
    from patrol.cli.root import run  # noqa: PLC0415  root imports this package's modules

    gc.freeze()
    gc.enable()
    code = run(sys.argv[1:] if arguments is None else list(arguments))
    if arguments is None and _is_own_process():
        _end_process(code)
    sys.exit(code)


def _is_own_process() -> bool:
    """Whether the interpreter was started for this command, by its script or by `-m patrol`."""
    given = sys.orig_argv
    by_module = ("-m", "patrol") in pairwise(given)
    return by_module or any(Path(one).name == "patrol" for one in given[1:2])


def _end_process(code: int) -> NoReturn:
    """End at once, as everything is closed: to take the modules apart costs a tenth of a second.

    What was registered for the end is run; a thread that is still at work is waited for as usual.
    """
    if any(not one.daemon for one in threading.enumerate() if one is not threading.main_thread()):
        sys.exit(code)
    atexit._run_exitfuncs()  # noqa: SLF001  as the interpreter does
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # the reader went, or the disk is full: nobody got the answer
        code = code or 1
    os._exit(code)

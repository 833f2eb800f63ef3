"""The command line: a module per verb or related verbs, thin over `patrol.app`.

Exit codes: 0 done · 1 it failed at run time · 2 bad input or configuration. With `--json` stdout
holds one JSON document and nothing else; progress and logs go to stderr. A module of several verbs
bears the name of one of them; root.py's table leads from each verb to its function, and imports a
verb's module when it runs. options.py, output.py and site.py are what verbs share.
"""

import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the `patrol` command and end the process with its exit code."""
    os.umask(0o077)  # whatever is made is for this user alone, also without a unit's UMask=
    from patrol.cli.root import run  # noqa: PLC0415  root imports this package's modules

    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))

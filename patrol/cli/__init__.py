"""The command line: a module per verb or group of verbs, thin over `patrol.app`.

Exit codes: 0 done · 1 it failed at run time · 2 bad input or configuration. With `--json` stdout
holds one JSON document and nothing else; progress and logs go to stderr. A group of verbs is named
after its first verb; root.py holds the table of all verbs and imports a verb's module when it runs.
"""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the `patrol` command and end the process with its exit code."""
    from patrol.cli.root import run  # noqa: PLC0415  root imports this package's modules

    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))

"""The command line (contracts.md): one module per group of verbs, thin over `patrol.app`.

Exit codes: 0 done · 1 it failed at run time · 2 bad input or configuration. With `--json` stdout
holds one JSON document and nothing else; progress and logs go to stderr. What a command needs is
imported inside it, so that `patrol --help` answers at once.
"""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """The `patrol` command."""
    from patrol.cli.root import run  # noqa: PLC0415  importing patrol.cli stays free

    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))

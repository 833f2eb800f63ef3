"""Measure the machine's eye on labelled pictures: the same judging code as the service runs.

Usage:
    found = run("faults" | "newcomers" | "flames" | "all" | "town" | "DIR", out=Path("page.html"))
    print(render(found))        # tables for a terminal; `found` itself is what `--json` prints
"""

from patrol.eval.command import NoFootage, run
from patrol.eval.document import render
from patrol.eval.labels import BadLabels

__all__ = ["BadLabels", "NoFootage", "render", "run"]

"""Measure the detectors on labelled pictures, with the same judging code that a round runs.

Usage:
    found = run("faults" | "newcomers" | "flames" | "all" | "town" | "DIR", out=Path("page.html"))
    print(render(found))        # tables for a terminal; `found` itself is what `--json` prints
"""

from patrol.evaluation.command import NoFootage, run
from patrol.evaluation.labels import BadLabels
from patrol.evaluation.results import render

__all__ = ["BadLabels", "NoFootage", "render", "run"]

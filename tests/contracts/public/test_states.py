"""Values of states that are stored or sent: each set of words still is some enumeration's.

Found by their values in every module of the product, whatever the enumeration is called and
wherever it lives. A set may not lose, gain or change a word unseen.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

# Prints [[sorted values], …] of every enumeration in the packages named.
COLLECT = """
import enum, importlib, json, pkgutil, sys, warnings
warnings.simplefilter("ignore")
found = set()
for root in sys.argv[1:]:
    package = importlib.import_module(root)
    for module in pkgutil.walk_packages(package.__path__, root + "."):
        if module.name.rpartition(".")[2] == "__main__" or ".versions." in module.name:
            continue
        if module.name.endswith(".migrations.env"):
            continue
        for kind in vars(importlib.import_module(module.name)).values():
            if isinstance(kind, type) and issubclass(kind, enum.Enum):
                if kind.__module__.startswith(tuple(sys.argv[1:])):
                    found.add(tuple(sorted(str(member.value) for member in kind)))
json.dump(sorted(found), sys.stdout)
"""
GOLDEN = Path(__file__).parent / "golden/states.json"


def test_every_photographed_set_of_states_stands(site: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, "patrol", "streams"], cwd=site.home, env=dict(site.env),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    known = {tuple(values) for values in json.loads(done.stdout)}
    golden: dict[str, list[str]] = json.loads(GOLDEN.read_text("utf-8"))
    gone = {what: words for what, words in golden.items() if tuple(sorted(words)) not in known}
    assert gone == {}

"""Numbers of the redesign (ADR 19), computed from any revision of the repository.

    python -m tests.project_rules.layout_numbers                 # 02642f4 beside the working tree
    python -m tests.project_rules.layout_numbers REV [REV …]     # these beside the working tree
    python -m tests.project_rules.layout_numbers --write         # into the table of the ADR

Reads a revision with `git archive`; counts the Python files of patrol/ and streams/, finished
migrations apart, as they stand.
"""

import argparse
import ast
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.project_rules.source_tree import ROOT, defined_names, name_parts
from tests.project_rules.test_names import RETIRED

BEFORE = "02642f4"  # the last commit before the redesign
ADR = ROOT / "docs/adr/0019-the-redesign.md"
TABLE = re.compile(r"(?<=<!-- numbers -->\n).*?(?=<!-- /numbers -->)", re.DOTALL)
SLIVER_LINES = 80
ONLY_POINTS_ELSEWHERE = re.compile(r"(See the (port|door)\b|See ports?\.|Fulfils )")
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
DOCUMENTED = ast.Module | ast.ClassDef | FUNCTIONS


def count_tree(root: Path) -> dict[str, int]:
    """The numbers of one tree, by the text of their row."""
    product = _python_files(root, "patrol", "streams")
    trees = {path: ast.parse(path.read_text("utf-8")) for path in product}
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in product}
    nodes = [node for tree in trees.values() for node in ast.walk(tree)]
    classes = Counter(node.name for node in nodes if isinstance(node, ast.ClassDef))
    retired = Counter(
        part
        for tree in trees.values()
        for name in defined_names(tree)
        for part in name_parts(name) & RETIRED
    )
    return {
        "Python files": len(product),
        "lines in them": sum(lines.values()),
        **_lines_by_kind(trees),
        "statements": sum(isinstance(node, ast.stmt) for node in nodes),
        "functions": sum(isinstance(node, FUNCTIONS) for node in nodes),
        "classes": classes.total(),
        f"modules under {SLIVER_LINES} lines": sum(n < SLIVER_LINES for n in lines.values()),
        "directories with modules": len({path.parent for path in product}),
        "class names used more than once": sum(times > 1 for times in classes.values()),
        "retired words in identifiers": len(retired),
        "definitions that carry one": retired.total(),
        "imports inside functions": sum(_lazy_imports(node) for node in nodes),
        "docstrings that only point elsewhere": sum(map(_points_elsewhere, nodes)),
        "lines of simulators": _lines(root, "simulators"),
        "lines of tests": _lines(root, "tests"),
    }


def _lines_by_kind(trees: Mapping[Path, ast.Module]) -> dict[str, int]:
    """How many lines are of each kind; a line of code may end with a comment."""
    kinds: Counter[str] = Counter()
    for path, tree in trees.items():
        imports, docstrings = set[int](), set[int]()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                imports |= _lines_of(node)
            elif isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
                docstrings |= _lines_of(node.body[0])
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if number in docstrings or line.lstrip().startswith("#"):
                kinds["docstrings and comments"] += 1
            elif not line.strip():
                kinds["blank"] += 1
            else:
                kinds["imports" if number in imports else "code"] += 1
    order = ("code", "imports", "docstrings and comments", "blank")
    return {f"… {kind}": kinds[kind] for kind in order}


def _lines_of(node: ast.stmt) -> set[int]:
    return set(range(node.lineno, (node.end_lineno or node.lineno) + 1))


def _python_files(root: Path, *packages: str) -> list[Path]:
    found = [path for package in packages for path in (root / package).rglob("*.py")]
    return [path for path in sorted(found) if "versions" not in path.parts]


def _lines(root: Path, package: str) -> int:
    return sum(len(p.read_text("utf-8").splitlines()) for p in _python_files(root, package))


def _lazy_imports(node: ast.AST) -> int:
    if not isinstance(node, FUNCTIONS):
        return 0
    return sum(isinstance(child, ast.Import | ast.ImportFrom) for child in _own_nodes(node))


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function, without those of functions inside it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, FUNCTIONS):
            yield child
            yield from _own_nodes(child)


def _points_elsewhere(node: ast.AST) -> bool:
    if not isinstance(node, DOCUMENTED):
        return False
    return bool(ONLY_POINTS_ELSEWHERE.match(ast.get_docstring(node) or ""))


def count_revision(revision: str) -> dict[str, int]:
    """The numbers of a revision of this repository."""
    archive = subprocess.run(
        ["git", "archive", revision, "patrol", "streams", "simulators", "tests"],
        cwd=ROOT, check=True, capture_output=True,
    ).stdout  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="patrol-numbers-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        return count_tree(Path(folder))


def format_table(columns: Mapping[str, Mapping[str, int]]) -> str:
    """A Markdown table, one column a revision."""
    rows = [f"| | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for name in next(iter(columns.values())):
        values = " | ".join(f"{numbers[name]:,}" for numbers in columns.values())
        rows.append(f"| {name} | {values} |")
    return "\n".join(rows) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, or write it into the ADR."""
    parser = argparse.ArgumentParser(description="the numbers of the redesign")
    parser.add_argument("revisions", nargs="*", default=[BEFORE])
    parser.add_argument("--write", action="store_true", help=f"into {ADR.relative_to(ROOT)}")
    given = parser.parse_args(arguments)
    columns = {revision: count_revision(revision) for revision in given.revisions}
    if given.write:
        table = format_table({"before": columns[given.revisions[0]], "after": count_tree(ROOT)})
        ADR.write_text(TABLE.sub(lambda _: table, ADR.read_text("utf-8")), "utf-8")
    else:
        sys.stdout.write(format_table({**columns, "now": count_tree(ROOT)}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

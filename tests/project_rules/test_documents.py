"""Documents name only what exists, and the layout is the order of imports."""

import re
from pathlib import Path

import pytest

from tests.project_rules.source_tree import ROOT, import_order, modules, relative

PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "config").glob("*.md")]
)
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
OLD_NAMES = {"docs/adr/0006-changes-to-the-plan-of-packages.md"}  # superseded, of its time
CURRENT = [page for page in PAGES if relative(page) not in OLD_NAMES]
FILE = re.compile(r"`((?:patrol|streams|simulators|tests|config|docs)/[\w./-]*)`")
MODULE = re.compile(r"`((?:patrol|streams|simulators|tests)(?:\.[a-z_0-9]+)+)|python -m ([\w.]+)")
LINK = re.compile(r"\]\((?!http|#)([^)#]+)")
DOCUMENT = re.compile(r"(?<![\w*/.-])([\w./-]*\w\.md)\b")
PLACEHOLDER = re.compile(r"NAME|NEW")


@pytest.mark.parametrize("page", CURRENT, ids=relative)
def test_files_and_links_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    files = [name for name in FILE.findall(text) if not PLACEHOLDER.search(name)]
    assert [name for name in files if not (ROOT / name).exists()] == []
    assert [link for link in LINK.findall(text) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", CURRENT, ids=relative)
def test_modules_exist(page: Path) -> None:
    named = {first or second for first, second in MODULE.findall(page.read_text("utf-8"))}
    ours = {name for name in named if name.startswith(("patrol", "streams", "simulators", "tests"))}
    assert sorted(name for name in ours if not _exists(name)) == []


def _exists(name: str) -> bool:
    """Whether it is a module, or a name inside one."""
    path = ROOT / name.replace(".", "/")
    if path.is_dir() or path.with_suffix(".py").exists():
        return True
    module, _, attribute = name.rpartition(".")
    source = (ROOT / module.replace(".", "/")).with_suffix(".py")
    package = ROOT / module.replace(".", "/") / "__init__.py"
    place = source if source.exists() else package
    return place.exists() and re.search(rf"\b{attribute}\b", place.read_text("utf-8")) is not None


@pytest.mark.parametrize("page", READMES, ids=relative)
def test_the_layout_is_the_import_contract(page: Path) -> None:
    """Every package in a row, the lowest first; which packages there are: test_project_rules.py."""
    rows = [line.split("|")[1] for line in page.read_text("utf-8").splitlines() if "|" in line]
    named = [
        name.rstrip("/").removesuffix(".py").replace("/", ".")
        for row in rows
        for name in re.findall(r"`((?:patrol/|streams/|simulators/)[\w.]*)`", row)
    ]
    assert named == import_order()[::-1]


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", page.read_text("utf-8"))) <= targets


@pytest.mark.parametrize("path", modules("patrol", "streams", "simulators"), ids=relative)
def test_documents_that_code_cites_exist(path: Path) -> None:
    cited = set(DOCUMENT.findall(path.read_text("utf-8")))
    assert sorted(name for name in cited if not (ROOT / name).exists()) == []


RETIRED_PHRASES = re.compile(
    r"second look|duty lead|verdict|the books|\bgreeting\b|the house's|\bleads again\b|town's desk"
)
TEXTS = [*CURRENT, *sorted((ROOT / "config").rglob("*.yaml"))]


@pytest.mark.parametrize("page", TEXTS, ids=relative)
def test_one_word_means_one_thing(page: Path) -> None:
    """Words that the glossary has another for; the changelog and ADR 19 quote the old ones."""
    if page.name not in {"CHANGELOG.md", "0019-the-redesign.md"}:
        assert RETIRED_PHRASES.findall(page.read_text("utf-8")) == []

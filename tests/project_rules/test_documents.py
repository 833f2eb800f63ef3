"""Documents name only files, modules and targets that exist, and the layout names every package."""

import re
from pathlib import Path

import pytest

from tests.project_rules.source_tree import ROOT, modules, relative

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
def test_the_layout_names_every_package(page: Path) -> None:
    rows = "\n".join(
        line.split("|")[1] for line in page.read_text("utf-8").splitlines() if line.startswith("|")
    )
    packages = [path for path in (ROOT / "patrol").iterdir() if (path / "__init__.py").exists()] + [
        path for path in (ROOT / "patrol").glob("*.py") if not path.stem.startswith("__")
    ]
    assert sorted(path.name for path in packages if path.name not in rows) == []


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", page.read_text("utf-8"))) <= targets


@pytest.mark.parametrize("path", modules("patrol", "streams", "simulators"), ids=relative)
def test_documents_that_code_cites_exist(path: Path) -> None:
    cited = set(DOCUMENT.findall(path.read_text("utf-8")))
    assert sorted(name for name in cited if not (ROOT / name).exists()) == []

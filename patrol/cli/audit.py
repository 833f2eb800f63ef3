"""The chained logs and what the outside has of them: `patrol audit verify`, `patrol audit head`.

`verify` follows each log from its first line and compares it with the heads that were published:
those in the file beside the site's key, and those given with `--anchor` (what a subscriber of the
retained topic `centre/audit` kept, or `NUMBER:HASH` from a printed report). Where the site has a
time-stamp authority, it also says when that one saw each day's heads (audit_stamps.py).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from patrol.cli.audit_stamps import unverified_text, verify_stamps
from patrol.cli.options import AsJson
from patrol.cli.output import FAILED, bad_input, console, print_err, print_json
from patrol.cli.site import site_for_lists, site_names, store_of
from patrol.domain.audit_anchor import (
    AnchorProblem,
    BadAnchor,
    ChainHead,
    read_anchor_days,
    read_anchors,
)
from patrol.domain.reader_language import translate
from patrol.settings.site_keys import anchor_path
from patrol.store import Store, UnitOfWork
from patrol.store.anchors import CHAINED_TABLES

MAX_SHORT: Final = 120  # characters of a head given as text; longer is a file's name, at most
KINDS: Final = {
    "cut": ("该行已不存在，日志尾部被截断", "the line is gone: the log was cut"),
    "rewritten": ("该行哈希不同，日志被整体重写", "another hash: the log was rewritten"),
}
Source = tuple[str, str, ChainHead]  # where it was read, the log, its head there


def verify(
    context: typer.Context,
    *,
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            "--anchor",
            metavar="FILE|NUMBER:HASH",
            help="中心之外留存的锚点。 What was kept outside the centre; may be given again.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """核验留痕链与锚点。 Prove the logs against the heads that were published."""
    site = site_for_lists(context)
    given = [source for text in anchor or () for source in _read_given(text)]
    kept = _read_file(anchor_path(site.settings), missing_ok=True)
    with store_of(site) as store:
        problems, compared, heads = _verify(store, [*kept, *given])
        stamps = verify_stamps(site, store, _given_days(anchor or ()))
    problems += [line for stamp in stamps if (line := stamp.problem)]
    unverified = unverified_text(stamps)
    if as_json:
        document = {
            "ok": not problems,
            "problems": problems,
            "anchors": {"kept_here": len(kept), "given": len(given), "compared": compared},
            "heads": {name: {"number": h.number, "hash": h.hash} for name, h in heads.items()},
            "stamps": [stamp.document() for stamp in stamps],
            **({"not_verified": [unverified]} if unverified else {}),
        }
        print_json(document)
    else:
        for line in problems:
            print_err(line)
        if not problems:
            lines = sum(head.number for head in heads.values())
            console().print(_agreed_text(lines, compared, len(given)))
            for stamp in stamps:
                console().print(stamp.text(site.settings.site.tz), soft_wrap=True)
    if unverified and not as_json:
        print_err(unverified)
    if problems:
        raise typer.Exit(FAILED)


def _agreed_text(lines: int, compared: int, given: int) -> str:
    return translate(
        f"留痕链完整：{lines} 行；锚点相符 {compared}（由外部提供 {given}）",
        f"the logs hold: {lines} lines; {compared} anchors agree ({given} from outside)",
    )


def show_head(context: typer.Context, *, as_json: AsJson = False) -> None:
    """各留痕链此刻的链头，可抄存于外。 The head of each log now, to be kept outside."""
    site = site_names(context)
    with store_of(site) as store, store.begin_read() as uow:
        heads = uow.anchors.heads()
    if as_json:
        print_json({name: {"number": h.number, "hash": h.hash} for name, h in heads.items()})
        return
    for name, head in heads.items():
        console().print(f"{name}:{head.number}:{head.hash}", soft_wrap=True)


def _verify(store: Store, sources: list[Source]) -> tuple[list[str], int, dict[str, ChainHead]]:
    """(what is wrong, how many anchors were compared, the heads now). Raises KeyProblem."""
    with store.begin_read() as uow:
        problems = list(_chain_problems(uow))
        for where, name, head in sources:
            problem = uow.anchors.problems_of(name, head)
            if problem is not None:
                problems.append(_anchor_text(where, problem))
        return problems, len(sources), dict(uow.anchors.heads())


def _chain_problems(uow: UnitOfWork) -> Iterator[str]:
    broken = {
        "access_log": uow.access.first_broken(),
        "deletions": uow.pictures.first_broken(),
        "handovers": uow.handovers.first_broken(),
    }
    for name, line in broken.items():
        if line is not None:
            yield translate(
                f"{name} 第 {line} 行：链不成立", f"{name} line {line}: the chain does not hold"
            )


def _anchor_text(where: str, problem: AnchorProblem) -> str:
    what = translate(*KINDS[problem.kind])
    return translate(
        f"{problem.log} 第 {problem.number} 行：{what}（{where}）",
        f"{problem.log} line {problem.number}: {what} ({where})",
    )


def _read_given(text: str) -> list[Source]:
    path = Path(text)
    if len(text) > MAX_SHORT or path.is_file():
        return _read_file(path, missing_ok=False)
    try:
        return [("--anchor", name, head) for name, head in read_anchors(text, _KNOWN)]
    except BadAnchor as exc:
        bad_input(f"--anchor: {exc}, or the name of a file")


def _given_days(given: Sequence[str]) -> dict[str, dict[str, ChainHead]]:
    """The heads by day of the files that were given; they were read once without a problem."""
    texts = [Path(text).read_text("utf-8") for text in given if Path(text).is_file()]
    return {day: heads for text in texts for day, heads in read_anchor_days(text, _KNOWN).items()}


def _read_file(path: Path, *, missing_ok: bool) -> list[Source]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        if missing_ok:
            return []
        bad_input(f"--anchor: {path}: no such file")
    except (OSError, UnicodeDecodeError) as exc:
        bad_input(f"{path}: cannot be read ({type(exc).__name__})")
    try:
        return [(str(path), name, head) for name, head in read_anchors(text, _KNOWN)]
    except BadAnchor as exc:
        bad_input(f"{path}: {exc}")


_KNOWN: Final = frozenset(CHAINED_TABLES)

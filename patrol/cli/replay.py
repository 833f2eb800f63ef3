"""`patrol replay ROUND`: judge a stored round again by other models or thresholds; a table.

Nothing is changed by it: no finding, no memory, no message. Each camera whose pictures are read
gets its line in the access log first.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.table import Table

from patrol.cli.options import AsJson, By, RoundArgument, operator
from patrol.cli.output import FittedTable, bad_input, console, print_err, print_json
from patrol.cli.site import app_of
from patrol.domain.finding import category_named
from patrol.domain.ids import RoundId
from patrol.domain.labels import PICTURE_FAULTS, REFUSALS, Labels, label_of, label_text
from patrol.domain.reader_language import translate
from patrol.settings.quality_thresholds import read_thresholds, threshold_problem

if TYPE_CHECKING:
    from patrol.app.replay import ReplayPlan
    from patrol.rounds.replay import ReplayedVisit, Sighting, SightingChange

PROGRESS_EVERY: Final = 50  # visits
CHANGES: Final[Labels] = {
    "appears": ("新增", "would appear"),
    "goes": ("不再有", "would go"),
    "score": ("得分或模块不同", "another score or gauge"),
}
LEFT_OUT: Final[Labels] = {
    **REFUSALS,
    "no_picture": ("当时没有画面", "no picture was taken"),
    "picture_deleted": ("画面已删除", "the picture is deleted"),
    "not_registered": ("点位已不在册", "no longer in cameras.csv"),
    "area_changed": ("可视区已改", "its visible area was drawn anew"),
}

ModelsOption = Annotated[
    str,
    typer.Option(
        "--models",
        metavar="PATH",
        help="models.yaml、其目录或权重目录；none 为不用模型。"
        " models.yaml, its folder, a folder of weights, or none.",
    ),
]
ThresholdsOption = Annotated[
    Path | None,
    typer.Option(
        "--thresholds",
        metavar="FILE",
        help="含 quality：一节的 YAML。 YAML with the section quality: of site.yaml.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=NUMBER", help="改一个阈值，可多次。 One threshold."),
]


def replay(
    context: typer.Context,
    a_round: RoundArgument,
    *,
    models: ModelsOption = "",
    thresholds: ThresholdsOption = None,
    one_by_one: SetOption = None,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """用别的模型或阈值重判一轮，看会变什么。 Judge a stored round again; what would change."""
    from patrol.app.replay import ReplayChoice, plan_replay  # noqa: PLC0415  as app_of does
    from patrol.rounds.replay import changes  # noqa: PLC0415

    limits = dict(read_thresholds(thresholds)) if thresholds is not None else {}
    limits |= dict(map(_one_threshold, one_by_one or ()))
    with app_of(context) as app:
        choice = ReplayChoice(models=models.strip(), thresholds=limits)
        plan = plan_replay(app, choice, who=operator(by))
        try:
            replayed = plan.replay(RoundId(a_round), app.clock.now())
        except KeyError:
            bad_input(f"round {a_round!r}: there is none, `patrol report` lists a day's rounds")
        visits = []
        for number, visit in enumerate(replayed, start=1):
            visits.append(visit)
            if number % PROGRESS_EVERY == 0:
                print_err(translate(f"{number} 路已重判", f"{number} visits judged again"))
        names = {str(one.id): one.name for one in app.registry.cameras.values()}
    document = replay_document(a_round, plan, visits)
    if as_json:
        print_json(document)
        return
    _print_table(document, changes(visits), names)


def _one_threshold(text: str) -> tuple[str, float]:
    """One `--set`. Raises BadInput."""
    name, equals, number = text.partition("=")
    name = name.strip().removeprefix("quality.")
    if not equals:
        bad_input(f"--set: {text!r} has no `=`, write e.g. blur_ratio=0.7")
    if problem := threshold_problem(name):
        bad_input(f"--set: {name}: {problem}")
    try:
        return name, float(number)
    except ValueError:
        bad_input(f"--set: {name}: {number!r} is no number")


def replay_document(
    round_id: str, plan: "ReplayPlan", visits: Sequence["ReplayedVisit"]
) -> dict[str, Any]:
    """The one document of `--json`."""
    from patrol.rounds.replay import changes, kind_counts  # noqa: PLC0415

    skipped = Counter(str(one.skipped) for one in visits if one.skipped is not None)
    with_other = plan.replay.other is not None
    return {
        "round": round_id,
        "compared": ["present", "other"] if with_other else ["recorded", "present"],
        "present": {"models": list(plan.present_models)},
        "other": {
            "models": list(plan.other_models),
            "thresholds": {
                name: {"present": first, "other": second}
                for name, (first, second) in plan.changed_thresholds.items()
            },
        }
        if with_other
        else None,
        "visits": len(visits),
        "judged": len(visits) - skipped.total(),
        "skipped": dict(sorted(skipped.items())),
        "kinds": kind_counts(visits),
        "changes": [_change_document(one) for one in changes(visits)],
        "notes": list(plan.notes),
    }


def _change_document(one: "SightingChange") -> dict[str, Any]:
    columns = {"recorded": one.recorded, "present": one.present, "other": one.other}
    return {
        "camera": one.camera,
        "kind": one.kind,
        "zone": one.zone,
        "change": str(one.change),
        **{name: seen and _sighting_document(seen) for name, seen in columns.items()},
    }


def _sighting_document(seen: "Sighting") -> dict[str, Any]:
    plain = asdict(seen)
    return {**plain, "score": round(seen.score, 4), "finding": plain.pop("is_finding")}


def _print_models(document: Mapping[str, Any]) -> None:
    """The present models and thresholds, and the others beside them."""
    out = console()
    out.print(
        translate(
            f"现用：{_model_text(document['present'])}",
            f"present: {_model_text(document['present'])}",
        ),
        markup=False,
    )
    other = document["other"]
    if other is not None:
        out.print(
            translate(f"改用：{_model_text(other)}", f"other: {_model_text(other)}"), markup=False
        )
        for name, pair in other["thresholds"].items():
            out.print(f"  {name}: {pair['present']} → {pair['other']}", markup=False)


def _print_table(
    document: Mapping[str, Any],
    rows: Sequence["SightingChange"],
    names: Mapping[str, str],
) -> None:
    out = console()
    judged, of = document["judged"], document["visits"]
    out.print(
        translate(
            f"{document['round']}  重判 {judged}/{of}",
            f"{document['round']}  judged again {judged}/{of}",
        ),
        markup=False,
    )
    for reason, count in document["skipped"].items():
        text = label_text(label_of(LEFT_OUT, reason))
        out.print(
            translate(f"  未重判 {count}：{text}", f"  left out {count}: {text}"), markup=False
        )
    _print_models(document)
    other = document["other"]
    for note in document["notes"]:
        out.print(f"  {note}", markup=False)
    _print_counts(document["kinds"])
    if not rows:
        out.print(translate("没有变化。", "Nothing would change."))
        return
    title = translate(f"会变的 · {len(rows)}", f"what would change · {len(rows)}")
    headings = [
        translate("摄像头", "camera"),
        translate("类型", "kind"),
        translate("变化", "change"),
        translate("当时", "recorded"),
        translate("现用", "present"),
    ]
    headings += [translate("改用", "other")] if other is not None else []
    lines = [_cells(row, names, with_other=other is not None) for row in rows]
    table = Table(*headings, title=title, title_justify="left")
    for cells in lines:
        table.add_row(*(cell.replace("  ", "\n") for cell in cells))
    out.print(FittedTable(table, title, _paragraphs(headings, lines)))


def _paragraphs(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """The table's lines for a narrow terminal: what changes, and below it each judgement."""
    return [
        text
        for cells in lines
        for text in (
            f"{cells[0]}  {cells[1]}  {cells[2]}",
            *(f"  {head}: {cell}" for head, cell in zip(headings[3:], cells[3:], strict=True)),
        )
    ]


def _cells(row: "SightingChange", names: Mapping[str, str], *, with_other: bool) -> tuple[str, ...]:
    seen = [row.recorded, row.present, *([row.other] if with_other else [])]
    kind = "  ".join(filter(None, (_kind_text(row.kind), row.zone)))
    return (
        f"{row.camera}  {names.get(row.camera, '')}",
        kind,
        label_text(label_of(CHANGES, row.change)),
        *map(_sighting_text, seen),
    )


def _print_counts(kinds: Mapping[str, Mapping[str, int]]) -> None:
    for kind, counts in kinds.items():
        numbers = " → ".join(str(count) for count in counts.values())
        console().print(f"  {_kind_text(kind)}: {numbers}", markup=False)


def _kind_text(kind: str) -> str:
    if kind in PICTURE_FAULTS:
        return label_text(PICTURE_FAULTS[kind])
    category = category_named(kind)
    return f"{category.zh} {category.en}"


def _sighting_text(seen: "Sighting | None") -> str:
    if seen is None:
        return "—"
    times = f" ×{seen.count}" if seen.count > 1 else ""
    return f"{seen.score:.2f}{times}  {seen.gauge}"


def _model_text(side: Mapping[str, Any]) -> str:
    return " · ".join(side["models"]) or translate("无模型", "no models")

"""The page of `patrol eval --out`: figures, confusion matrix and the worst mistakes as pictures.

One HTML file without outside parts. What is truly there is framed green, what was proposed red.
"""

import base64
from collections import defaultdict
from collections.abc import Iterable, Sequence
from html import escape

import cv2
import numpy as np

from patrol.evaluation.metrics import Counts, wilson_or_none
from patrol.evaluation.results import macro_f1, share, span
from patrol.evaluation.score import OK, Mistake, Scores
from patrol.pixels import encode_jpeg
from patrol.vision.fire import FireKind
from patrol.vision.geometry import box_in_pixels
from streams.model import BgrImage

PER_KIND = 6  # worst mistakes shown of each kind and sort
WIDTH_PX = 480
THUMBNAIL_QUALITY = 72
GREEN, RED = (60, 180, 40), (40, 40, 220)
STYLE = """
body{font:15px/1.5 system-ui,"Noto Sans CJK SC",sans-serif;color:#222}
body{margin:2rem auto;max-width:1100px}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2.5rem}
table{border-collapse:collapse}
td,th{padding:.25rem .7rem;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child{text-align:left}.hot{background:#fdecea}.right{background:#eaf6ec}
.wall{display:grid;grid-template-columns:repeat(auto-fill,minmax(340px,1fr));gap:1rem}
figure{margin:0}img{width:100%;border-radius:4px}figcaption{font-size:.85rem;color:#444}
"""


def html_page(sets: Sequence[tuple[str, Scores]], notes: Sequence[str] = ()) -> str:
    """The whole document: each set under its title."""
    parts = ["<h1>判读评测 Evaluation</h1>", *(f"<p>{escape(note)}</p>" for note in notes)]
    for title, scores in sets:
        parts += [
            f"<h2>{escape(title)}</h2>",
            f"<p>{scores.visits} 次巡查 visits · {len(scores.cameras)} 路 cameras</p>",
            _figures(scores), _kinds(scores), _matrix(scores), _mistake_gallery(scores.mistakes),
        ]  # fmt: skip
    return (
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8">'
        f"<title>判读评测 Evaluation</title><style>{STYLE}</style>{''.join(parts)}</html>"
    )


def _figures(scores: Scores) -> str:
    lines = []
    macro = macro_f1(scores)
    if macro is not None:
        lines.append(f"画面故障 macro-F1 {macro:.3f}")
    if scores.ok_visits:
        found = wilson_or_none(scores.ok_flagged, scores.ok_visits)
        lines.append(
            f"正常画面误报 ok visits flagged {scores.ok_flagged}/{scores.ok_visits} ({span(found)})"
        )
    if scores.clean_visits:
        lines.append(
            f"无新增物巡查误报区域 false regions {scores.false_regions}/{scores.clean_visits}"
        )
    for kind, name in ((FireKind.OPEN_FLAME, "无火"), (FireKind.SMOKE, "无烟")):
        proposed, visits = scores.fireless[kind]
        if visits:
            lines.append(f"{name}画面误提 {proposed}/{visits}")
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _kind_row(kind: str, tally: Counts) -> str:
    cells = (
        tally.tp,
        tally.fp,
        tally.fn,
        share(tally.precision),
        span(wilson_or_none(tally.tp, tally.tp + tally.fp)),
        share(tally.recall),
        span(wilson_or_none(tally.tp, tally.tp + tally.fn)),
        share(tally.f1),
        span(tally.f1_interval),
    )
    return f"<tr><td>{escape(kind)}</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _kinds(scores: Scores) -> str:
    names = ("kind", "tp", "fp", "fn", "precision", "95 %", "recall", "95 %", "F1", "95 %")
    head = "".join(f"<th>{name}</th>" for name in names)
    order = sorted(scores.tallies, key=lambda kind: (scores.groups[kind], kind))
    rows = "".join(_kind_row(kind, scores.tallies[kind]) for kind in order)
    return f"<h3>各类 Kinds</h3><table><tr>{head}</tr>{rows}</table>"


def _matrix(scores: Scores) -> str:
    if not scores.confusion:
        return ""
    names = sorted({name for pair in scores.confusion for name in pair}, key=lambda n: (n != OK, n))
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    rows = []
    for truth in names:
        cells = []
        for proposed in names:
            number = scores.confusion[truth, proposed]
            css_class = (
                "" if not number else ' class="right"' if truth == proposed else ' class="hot"'
            )
            cells.append(f"<td{css_class}>{number or ''}</td>")
        rows.append(f"<tr><td>{escape(truth)}</td>{''.join(cells)}</tr>")
    return (
        "<h3>混淆矩阵 Confusion: rows are the truth</h3>"
        f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>"
    )


def worst_mistakes(mistakes: Iterable[Mistake], per_kind: int = PER_KIND) -> list[Mistake]:
    """The worst of each kind and sort."""
    by_kind: dict[tuple[str, str], list[Mistake]] = defaultdict(list)
    for mistake in sorted(mistakes, key=lambda m: -m.weight):
        kept = by_kind[mistake.kind, mistake.what]
        if len(kept) < per_kind:
            kept.append(mistake)
    return [mistake for key in sorted(by_kind) for mistake in by_kind[key]]


def _mistake_gallery(mistakes: Sequence[Mistake]) -> str:
    shown = "".join(_mistake_figure(mistake) for mistake in worst_mistakes(mistakes))
    return f'<h3>最差的错误 Worst mistakes</h3><div class="wall">{shown or "—"}</div>'


def _mistake_figure(mistake: Mistake) -> str:
    label = "漏报 missed" if mistake.what == "missed" else "误报 false"
    visit = mistake.visit
    caption = (
        f"<b>{escape(mistake.kind)}</b> {label} · {escape(visit.camera)} ·"
        f" {visit.at:%Y-%m-%d %H:%MZ} · {escape(visit.source)} {escape(mistake.note)}"
    )
    pictures = visit.pictures()
    picture = f'<img alt="" src="{_thumbnail(pictures[0], mistake)}">' if pictures else ""
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"


def _thumbnail(picture: BgrImage, mistake: Mistake) -> str:
    height, width = picture.shape[:2]
    size = (WIDTH_PX, max(1, round(height * WIDTH_PX / width)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    for boxes, colour in ((mistake.truth, GREEN), (mistake.proposed, RED)):
        for box in boxes:
            cv2.rectangle(small, *box_in_pixels(box, size), colour, 2)
    jpeg = encode_jpeg(np.asarray(small, np.uint8), THUMBNAIL_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()

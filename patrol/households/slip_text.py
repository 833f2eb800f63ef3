"""The household's slip for people: lines for a terminal, and one printable page with the QR code.

In one language for one reader. The page needs nothing but itself: no script, no other file; its
style stands in it (`STYLE_HASH` lets the console's security policy allow exactly that).
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from html import escape
from typing import Final

from patrol.domain import labels
from patrol.domain.access_labels import ACCESS_ACTIONS, CHANNELS
from patrol.domain.consent import hours_text
from patrol.domain.labels import label_of
from patrol.domain.stored_texts import StoredTexts
from patrol.households.qr_code import qr_code_svg
from patrol.households.slip import CameraSlip, PlaceHeld
from patrol.store.pixel_places import PlaceKind

STYLE: Final = (
    "body{font:14px/1.5 'Noto Sans CJK SC','Microsoft YaHei',sans-serif;max-width:190mm;"
    "margin:8mm auto;color:#111;overflow-wrap:anywhere}h1{font-size:20px}"
    "h2{font-size:16px;margin:6mm 0 2mm;border-bottom:1px solid #999}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{border:1px solid #bbb;padding:1mm 2mm;text-align:left;vertical-align:top}"
    ".qr{float:right;margin:0 0 4mm 4mm}section{clear:both;break-before:auto}"
    ".qr svg,svg.qr{max-width:100%;height:auto}"
    "@media screen{body{padding:0 4mm}}@page{size:A4;margin:12mm}"
    "@media screen and (max-width:640px){.qr{float:none;margin:0 0 4mm}"  # rows become cards
    "table,tbody,tr,td{display:block;width:auto}thead{display:none}"
    "tr{border:1px solid #bbb;margin:0 0 2mm;padding:1mm 0}td{border:0;padding:0 2mm}}"
)
STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
BYTES_IN_MB: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SlipReader:
    """Who reads the slip: the language, the site's clock, and whom to call."""

    language: str  # zh, en
    zone: tzinfo
    site: str
    phone: str

    def __call__(self, zh: str, en: str) -> str:
        """The text in the reader's language."""
        return zh if self.language == "zh" else en

    def pair(self, both: tuple[str, str]) -> str:
        """The text of a (zh, en) pair."""
        return self(*both)

    @property
    def colon(self) -> str:
        """The colon behind a word."""
        return self("：", ": ")

    def time(self, at: datetime | None) -> str:
        """The moment on the site's clock."""
        return "—" if at is None else f"{at.astimezone(self.zone):%Y-%m-%d %H:%M}"


def slip_lines(
    household: str, slips: Sequence[CameraSlip], now: datetime, t: SlipReader
) -> Iterator[str]:
    """The slip for a terminal."""
    yield f"{t.site} · {_title(t)} · {household} · {t.time(now)}"
    for slip in slips:
        yield f"{slip.id}  {slip.camera.name if slip.camera else _gone(t)}"
        yield f"  {_consent_text(slip, t)}"
        for one in slip.held:
            yield "  " + "  ".join(_held_cells(one, t))
        for line in _hold_lines(slip, t):
            yield f"  {line}"
        yield f"  {_visits_text(slip, t)}"
        yield f"  {_looked_text(slip, t)}"
        for entry in slip.accesses:
            what = t.pair(label_of(ACCESS_ACTIONS, entry.what))
            yield f"    {t.time(entry.at)}  {entry.who}  {what}  {_reason_text(entry.why, t)}"
        if slip.link:
            yield f"  {t('农户页面', 'The household’s page')}{t.colon}{slip.link}"


def slip_page(household: str, slips: Sequence[CameraSlip], now: datetime, t: SlipReader) -> str:
    """The slip as one printable page of HTML."""
    body = "".join(_camera_section(slip, t) for slip in slips)
    phone = f" · {escape(t.phone)}" if t.phone else ""
    return (
        f'<!doctype html><html lang="{t("zh-CN", "en")}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="robots" content="noindex">'
        f"<title>{_title(t)}</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(t.site)} · {_title(t)}</h1>"
        f"<p>{t('农户编号', 'Household')}{t.colon}{escape(household)} · {t.time(now)}{phone}</p>"
        f"{body}<p>{_rights(t)}</p></body></html>"
    )


def _camera_section(slip: CameraSlip, t: SlipReader) -> str:
    name = escape(slip.camera.name) if slip.camera else _gone(t)
    held = "".join(_row(_held_cells(one, t)) for one in slip.held)
    looked = "".join(
        _row(
            (
                t.time(entry.at), entry.who, t.pair(label_of(ACCESS_ACTIONS, entry.what)),
                _reason_text(entry.why, t),
            )
        )
        for entry in slip.accesses
    )  # fmt: skip
    link = ""
    if slip.link:
        label = t("农户页面二维码", "QR code of the household's page")
        link = (
            f"{qr_code_svg(slip.link, escape(label))}<p>{_link_text(t)}<br>"
            f"<code>{escape(slip.link)}</code></p>"
        )
    holds = "".join(f"<p>{escape(line)}</p>" for line in _hold_lines(slip, t))
    heads = (t("存放处", "Where"), t("用途", "What for"), t("数量", "Count"), t("至", "Until"))
    who = (t("时间", "When"), t("谁", "Who"), t("做什么", "What"), t("原因", "Why"))
    return (
        f"<section><h2>{name} · {slip.id}</h2>{link}<p>{escape(_consent_text(slip, t))}</p>"
        f"<table><thead>{_row(heads, 'th')}</thead><tbody>{held}</tbody></table>{holds}"
        f"<p>{escape(_visits_text(slip, t))}<br>{escape(_looked_text(slip, t))}</p>"
        f"<table><thead>{_row(who, 'th')}</thead><tbody>{looked}</tbody></table></section>"
    )


def _row(cells: Sequence[str], tag: str = "td") -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def _held_cells(one: PlaceHeld, t: SlipReader) -> tuple[str, str, str, str]:
    size = f" ({one.bytes / BYTES_IN_MB:.1f} MB)" if one.bytes else ""
    until = t.time(one.until)
    if one.place.kind is PlaceKind.OUTSIDE and one.count:
        until = t("由制作者删除", "who made them deletes them")
    purpose = t.pair(one.purpose) or t.pair(one.place.why_kept)
    return t(one.place.zh, one.place.en), purpose, f"{one.count}{size}", until


def _consent_text(slip: CameraSlip, t: SlipReader) -> str:
    terms = slip.terms
    if terms.withdrawn_at is not None:
        return t("同意：已撤回，", "Consent: withdrawn, ") + t.time(terms.withdrawn_at)
    parts = []
    if slip.camera is not None:
        consent = slip.camera.consent
        until = f"{consent.until:%Y-%m-%d}" if consent.until else "—"
        state = t.pair(labels.CONSENT_STATES[consent.state])
        parts.append(t(f"同意：{state}，至 {until}", f"Consent: {state}, until {until}"))
    if terms.paused_until is not None:
        until = t.time(terms.paused_until)
        parts.append(t(f"暂停至 {until}", f"paused until {until}"))
    if terms.hours:
        text = hours_text(terms.hours)
        parts.append(t(f"仅在 {text}", f"only at {text}"))
    return t("；", "; ").join(parts) or "—"


def _hold_lines(slip: CameraSlip, t: SlipReader) -> Iterator[str]:
    """What an authority's orders keep, and which: the reason is the authority's to tell."""
    if not slip.holds:
        return
    orders = t("、", "; ").join(
        t(
            f"{hold.reference}（自 {t.time(hold.since)}）",
            f"{hold.reference} (since {t.time(hold.since)})",
        )
        for hold in slip.holds
    )
    yield t(
        f"依法保全：{orders}。其中 {slip.held_by_order} 项画面在保全解除前不删除，撤回同意后亦同；"
        "解除后随即删除",
        f"Legal hold: {orders}. It keeps {slip.held_by_order} pictures and references until it"
        " ends, also after a withdrawal; then they are deleted",
    )


def _visits_text(slip: CameraSlip, t: SlipReader) -> str:
    last = t.time(slip.last_machine_visit)
    return t(
        f"自动巡查 {slip.machine_visits} 次，最近 {last}",
        f"visited by the patrol {slip.machine_visits} times, last {last}",
    )


def _looked_text(slip: CameraSlip, t: SlipReader) -> str:
    count, shown = slip.accesses_in_all, len(slip.accesses)
    return t(
        f"由人查看或变更 {count} 次，列出最近 {shown} 次",
        f"looked at or changed by people {count} times, the last {shown} are listed",
    )


def _reason_text(why: str, t: SlipReader) -> str:
    """The log's reason, its ways and codes in the reader's words."""
    first, colon, rest = why.partition(":")
    if first not in CHANNELS:
        return StoredTexts(language=t.language, zone=t.zone)(why)
    return f"{t.pair(CHANNELS[first])}{t.colon if colon else ''}{rest.strip()}"


def _title(t: SlipReader) -> str:
    return t("农户告知单", "What is held of a household")


def _gone(t: SlipReader) -> str:
    return t("已不在点位表", "no longer registered")


def _link_text(t: SlipReader) -> str:
    return t(
        "扫码可随时撤回同意、暂停或限定时段，无需登录，一秒内生效。请妥善保管。",
        "Scan to withdraw, to pause or to set hours at any time, without a login; it counts within"
        " a second. Keep it safe.",
    )


def _rights(t: SlipReader) -> str:
    return t(
        "撤回同意后，所存画面、参考画面和现场照片随即删除（依法保全的除外），每一处删除都有登记。也可致电中心或到村委会办理。",
        "After a withdrawal the pictures, references and photos are deleted at once, but for what a"
        " legal hold keeps; each deletion is recorded. You may also call the centre or go to the"
        " village office.",
    )

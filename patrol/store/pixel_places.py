"""The register of every place where pixels of a household lie; deletion, sweep and check walk it.

One row a place: what lies there, how a camera's part is found, how it is deleted, how long it
stays and why. `patrol.pictures.sweep_pictures` deletes by it, `fsck.py` checks by it, the slip of
`patrol household` counts by it; a cluster's exchange is walked by cluster/exchange_pixels.py. A new
place is a new row: tests compare the rows with the columns of all tables that hold bytes, and with
the files that a site's directory really has.
"""

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Any, Final

from sqlalchemy import Table
from sqlalchemy.sql.functions import coalesce

from patrol.store.schema import pictures
from patrol.store.schema_people import memories


class PlaceKind(StrEnum):
    """How pixels lie in a place, from which follows how they are found and deleted."""

    FILE_ROWS = auto()  # a row for each picture names a file by the hash of its content
    BLOB_ROWS = auto()  # the pixels are in the row itself
    LOOSE_FILES = auto()  # files that no row names: deleted when older than an hour
    EXCHANGE = auto()  # sealed blobs between machines, their names beginning with a camera's tag
    PROCESS_MEMORY = auto()  # copies of files; forgotten when a deletion is in the ledger
    OUTSIDE = auto()  # what a person carries away; patrol knows only that it was made


class RetentionClass(StrEnum):
    """For how long pixels may stay; each names its setting in `retention:` of site.yaml."""

    PICTURE = auto()  # by its purpose: sample_days, evidence_days
    REFERENCE = auto()  # reference_days after its newest sample
    NONE = auto()  # nothing that should be there


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PixelPlace:
    """One place where pixels lie."""

    name: str  # in JSON documents
    zh: str
    en: str
    kind: PlaceKind
    retention: RetentionClass
    why_kept: tuple[str, str]  # (zh, en)
    table: Table | None = None  # of FILE_ROWS and BLOB_ROWS
    pixels: Any = None  # its column with them, or with the hash that names their file
    dated: Any = None  # of BLOB_ROWS: the expression from which their time runs
    detail: Any = None  # of BLOB_ROWS: the column that tells a camera's rows apart
    files: tuple[str, ...] = ()  # patterns below the directory of pictures


PIXEL_PLACES: Final = (
    PixelPlace(
        name="pictures",
        zh="照片（巡查、线索、案件、现场）",
        en="pictures (visits, findings, cases, photos from the ground)",
        kind=PlaceKind.FILE_ROWS,
        retention=RetentionClass.PICTURE,
        why_kept=("巡查留痕与案件凭据", "what a visit, a finding or a case stands on"),
        table=pictures,
        pixels=pictures.c.sha256,
        files=("??/??/*.jpg",),
    ),
    PixelPlace(
        name="references",
        zh="参考画面与画质基线",
        en="references and gauge baselines",
        kind=PlaceKind.BLOB_ROWS,
        retention=RetentionClass.REFERENCE,
        why_kept=("与新画面对照", "what a new picture is compared with"),
        table=memories,
        pixels=memories.c.blob,
        dated=coalesce(memories.c.sampled_at, memories.c.updated_at),
        detail=memories.c.light,
    ),
    PixelPlace(
        name="loose files",
        zh="无登记的文件（中断的写入与恢复）",
        en="files that nothing names (writes and restores that were cut short)",
        kind=PlaceKind.LOOSE_FILES,
        retention=RetentionClass.NONE,
        why_kept=("不应存在，一小时后清除", "none: deleted after an hour"),
        files=("??/??/*", "unfinished/*", ".restore-*/**/*"),
    ),
    PixelPlace(
        name="exchange",
        zh="集群照片交换处（加密，取走即删）",
        en="exchange of a cluster (sealed, deleted when fetched)",
        kind=PlaceKind.EXCHANGE,
        retention=RetentionClass.NONE,
        why_kept=(
            "工作机与中心之间传送，至多一天",
            "on the way between workers and the centre, a day at most",
        ),
    ),
    PixelPlace(
        name="thumbnails",
        zh="服务内存中的缩略图",
        en="thumbnails in the service's memory",
        kind=PlaceKind.PROCESS_MEMORY,
        retention=RetentionClass.NONE,
        why_kept=("仅为显示，不落盘", "for display alone, never on disk"),
    ),
    PixelPlace(
        name="contact sheets",
        zh="服务内存中的墙面拼图",
        en="contact sheets in the service's memory",
        kind=PlaceKind.PROCESS_MEMORY,
        retention=RetentionClass.NONE,
        why_kept=("仅为显示，不落盘", "for display alone, never on disk"),
    ),
    PixelPlace(
        name="live views",
        zh="实时查看刚显示过的画面（至多两分钟）",
        en="frames of a live view as they were shown, two minutes at most",
        kind=PlaceKind.PROCESS_MEMORY,
        retention=RetentionClass.NONE,
        why_kept=(
            "供值班员登记所见，撤回后一秒内结束查看",
            "so that what was seen can be filed; a withdrawal ends the view in a second",
        ),
    ),
    PixelPlace(
        name="browsers",
        zh="值班员浏览器的缓存（至多十分钟）",
        en="browsers of the centre, ten minutes at most",
        kind=PlaceKind.PROCESS_MEMORY,
        retention=RetentionClass.NONE,
        why_kept=("每次调取都有登记，退出即清空", "each fetch is logged; logging out empties them"),
    ),
    PixelPlace(
        name="backups",
        zh="备份文件（由制作者保管）",
        en="backup files, kept by who made them",
        kind=PlaceKind.OUTSIDE,
        retention=RetentionClass.NONE,
        why_kept=("灾难恢复；恢复时先删已撤回的", "disaster; what was withdrawn goes at a restore"),
    ),
)

# Columns of bytes that hold no pixels, and why not; everything else is in the register above.
BYTES_WITHOUT_PIXELS: Final = {
    "site_keys.secret": "random keys",
    "stream_credentials.sealed": "a camera's login and password, encrypted (store/credentials.py)",
    "outbox.payload": "JSON made by messaging/payloads.py, which has no picture",
    "deliveries.payload": "JSON made by integrations/webhooks.py and notifications.py: text",
    "dead_letters.payload": "cut where a picture begins (cases/reply_handler.py)",
}

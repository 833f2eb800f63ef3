"""What the house needs of the outside: database, broker, disk, weights — one clear line each."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from patrol.settings import Settings

BROKER_WITHIN_S: Final = 3.0
DAY_OF_PICTURES_MB: Final = 400  # 624 cameras, two rounds, two pictures of about 150 kB


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """One thing asked, and its answer in a line."""

    name: str
    ok: bool
    text: str
    needed: bool = True  # False: the house works without it, and says so

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {"name": self.name, "ok": self.ok, "needed": self.needed, "text": self.text}


def reach_all(settings: "Settings") -> Iterator[Reached]:
    """Ask each in turn."""
    yield _database(settings.database)
    yield _broker(settings)
    yield _disk(settings)
    yield _weights(settings)


def _database(url: str) -> Reached:
    from patrol.store import (  # noqa: PLC0415  sqlalchemy
        StoreOutdated,
        StoreUnavailable,
        current_revision,
        open_store,
    )

    name = "数据库 database"
    try:
        if _is_new(url) or current_revision(url) is None:
            return Reached(name=name, ok=True, text="空库,首次使用时建表 new, made at first use")
        with open_store(url):
            return Reached(
                name=name, ok=True, text="可用 reachable, its tables are of this version"
            )
    except StoreOutdated as exc:
        return Reached(name=name, ok=False, text=str(exc))
    except StoreUnavailable as exc:
        return Reached(name=name, ok=False, text=f"连不上 cannot be reached: {exc}")


def _is_new(url: str) -> bool:
    """A SQLite file that is not there yet; a check does not make one."""
    path = url.removeprefix("sqlite:///").partition("?")[0]
    return path != url and not Path(path).exists() and _nearest(Path(path)).is_dir()


def _broker(settings: "Settings") -> Reached:
    from patrol.mqtt import BrokerAddress, MqttPublisher  # noqa: PLC0415  paho

    name, mqtt = "消息代理 broker", settings.mqtt
    if mqtt.embedded:
        return Reached(name=name, ok=True, text="内置 embedded")
    try:
        address = BrokerAddress.parse(
            mqtt.url,
            username=mqtt.username,
            password_file=mqtt.password_file,
            ca_file=mqtt.ca_file,
        )
        with MqttPublisher(address, name=f"patrol-{settings.site.id}-check") as publisher:
            if publisher.wait_up(BROKER_WITHIN_S):
                return Reached(name=name, ok=True, text=f"{mqtt.url} 可用 reachable")
            why = publisher.problem
    except (ValueError, OSError) as exc:
        why = str(exc)
    return Reached(name=name, ok=False, text=f"连不上 cannot be reached: {mqtt.url}: {why}")


def _disk(settings: "Settings") -> Reached:
    free_mb = shutil.disk_usage(_nearest(settings.evidence)).free // 1_000_000
    name, text = "磁盘 disk", f"空闲 free {free_mb / 1000:.1f} GB · {settings.evidence}"
    if free_mb < DAY_OF_PICTURES_MB:
        return Reached(name=name, ok=False, text=f"{text}: 不足一天 less than a day of pictures")
    return Reached(name=name, ok=True, text=text)


def _nearest(path: Path) -> Path:
    """The path, or the nearest directory above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _weights(settings: "Settings") -> Reached:
    name = "模型 models"
    if not settings.objects:
        return Reached(name=name, ok=True, text="目标检测已关闭 objects are switched off")
    from patrol.app.eyes import open_eyes  # noqa: PLC0415  with the rooms
    from patrol.inference import list_models  # noqa: PLC0415  onnxruntime

    eyes = open_eyes(settings)
    wrong = [f"{m.name} {m.state}" for m in list_models(settings.models) if m.state != "ready"]
    lacks = [*eyes.without, *([f"{', '.join(wrong)}: `patrol models install`"] if wrong else [])]
    if lacks:
        text = f"{'; '.join(lacks)}; 轮巡照常 rounds go on without"
        return Reached(name=name, ok=False, needed=False, text=text)
    return Reached(name=name, ok=True, text=f"就绪 ready · {eyes.gauges} · {settings.models}")

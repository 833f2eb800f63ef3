"""What a farm is asked to serve, and what it says once it does."""

from dataclasses import dataclass, field
from pathlib import Path

from simulators.scenes.library import DEFAULT_CACHE, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmOptions:
    """The whole request; `light` is auto or one of the scene lights."""

    count: int
    out: Path  # the configuration directory to write
    port: int = 0  # 0: any free one
    control_port: int = 0
    host: str = "127.0.0.1"
    seed: int = 7
    faults: str = "town"
    light: str = "auto"
    profile: str = "town"
    cache: Path = DEFAULT_CACHE
    mqtt_url: str = "mqtt://127.0.0.1:1883"
    password_env: str = ""  # write `${NAME}` instead of the password of every tenth camera
    session_timeout_s: int = 60
    progress: Progress | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmInfo:
    """Where it listens."""

    port: int
    control_port: int
    cameras: int
    pid: int
    config: Path
    light: str

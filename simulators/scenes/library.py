"""The cache of encoded loops: what is missing is drawn and encoded in parallel, once.

A loop is known by what it shows and how it is compressed; the cache's key also holds the version
of the drawings, so that a changed picture is never served from an old cache.
"""

import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import cv2

from simulators.faults import Fault
from simulators.scenes.catalogue import (
    Format,
    Scene,
    SceneLight,
    by_name,
    catalogue,
    clean_name,
)
from simulators.scenes.encode import EncodedLoop, encode, read_loop, write_loop
from simulators.scenes.film import film

CONTENT_VERSION: Final = "town-2"  # change it whenever a drawing or an encoder option changes
DEFAULT_CACHE: Final = Path("var/cache/streams")

Progress = Callable[[int, int], None]  # loops done, loops to do


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSpec:
    """What a loop shows."""

    profile: str
    scene: str  # full name, with its variant
    light: SceneLight
    fault: Fault = Fault.NONE  # one of SHOWN_IN_PICTURE, or none

    def find_scene(self) -> Scene:
        """Its entry in the catalogue. KeyError when there is none."""
        scene = by_name(catalogue(self.profile))[clean_name(self.scene)]
        scene.variant(self.scene)
        return scene


@dataclass(frozen=True, slots=True, eq=False)
class LoopPair:
    """The same view as the main and as the sub stream."""

    main: EncodedLoop
    sub: EncodedLoop


@dataclass(frozen=True, slots=True)
class Library:
    """Loops by specification, kept under `cache`."""

    cache: Path = DEFAULT_CACHE

    def ensure(self, specs: Iterable[LoopSpec], progress: Progress | None = None) -> int:
        """Encode what is missing, on all cores; how many were encoded."""
        missing = [spec for spec in dict.fromkeys(specs) if not self.has(spec)]
        if not missing:
            return 0
        self.cache.mkdir(parents=True, exist_ok=True)
        groups = _by_scene(missing)
        done = 0
        with ProcessPoolExecutor(min(len(groups), _cores()), get_context("spawn")) as pool:
            jobs = [pool.submit(_make_all, group, self.cache) for group in groups]
            for job in as_completed(jobs):
                done += job.result()
                if progress is not None:
                    progress(done, len(missing))
        return len(missing)

    def has(self, spec: LoopSpec) -> bool:
        """Whether both streams are in the cache."""
        scene = spec.find_scene()
        return all(_path(self.cache, spec, f).exists() for f in (scene.main, scene.sub))

    def load(self, spec: LoopSpec) -> LoopPair:
        """Both streams; drawn and encoded here and now if they are missing."""
        scene = spec.find_scene()
        if not self.has(spec):
            self.cache.mkdir(parents=True, exist_ok=True)
            _make(spec, self.cache)
        return LoopPair(
            read_loop(_path(self.cache, spec, scene.main), scene.main),
            read_loop(_path(self.cache, spec, scene.sub), scene.sub),
        )


def _cost(spec: LoopSpec) -> int:
    """Rough, to start the longest first."""
    main = spec.find_scene().main
    return main.loop_frames * main.width * main.height * (4 if main.codec == "hevc" else 1)


def _by_scene(specs: list[LoopSpec]) -> list[list[LoopSpec]]:
    """Variants of one scene together, as they share its still; the longest work first."""
    groups: dict[str, list[LoopSpec]] = {}
    for spec in specs:
        groups.setdefault(clean_name(spec.scene), []).append(spec)
    return sorted(groups.values(), key=lambda group: sum(map(_cost, group)), reverse=True)


def _cores() -> int:
    return os.cpu_count() or 1


def _make_all(specs: list[LoopSpec], cache: Path) -> int:
    """Runs in a worker process."""
    cv2.setNumThreads(1)
    for spec in specs:
        _make(spec, cache)
    return len(specs)


def _path(cache: Path, spec: LoopSpec, stream: Format) -> Path:
    key = hashlib.sha256(repr((CONTENT_VERSION, spec, stream)).encode()).hexdigest()[:16]
    fault = "" if spec.fault is Fault.NONE else f"-{spec.fault}"
    return cache / f"{spec.scene}{fault}-{spec.light}-{stream.width}x{stream.height}-{key}.loop"


def _make(spec: LoopSpec, cache: Path) -> None:
    """Draw and encode one specification, main and sub."""
    scene = spec.find_scene()
    for stream in (scene.main, scene.sub):
        frames = film(scene, spec.scene, spec.light, spec.fault, stream)
        write_loop(encode(frames, stream), _path(cache, spec, stream))

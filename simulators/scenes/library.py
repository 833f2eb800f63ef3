"""The cache of encoded loops: missing ones are drawn and encoded in parallel, once.

A loop is identified by what it shows and how it is compressed; the cache's key also holds the
version of the drawings, so that a changed picture is never served from an old cache.
"""

import hashlib
import os
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

import cv2

from simulators.faults import CameraFault
from simulators.scenes.catalogue import (
    Scene,
    SceneLight,
    StreamFormat,
    by_name,
    catalogue,
    clean_name,
)
from simulators.scenes.encode import EncodedLoop, encode, read_loop, write_loop
from simulators.scenes.frames import render_frames

CONTENT_VERSION: Final = "town-2"  # change it whenever a drawing or an encoder option changes
DEFAULT_CACHE: Final = Path("var/cache/streams")

_ASK_S: Final = 0.5
ENCODER_NICENESS: Final = 5  # visits of what is served already come first

ProgressCallback = Callable[[int, int], None]  # loops done, loops to do


class EncodingCancelled(Exception):
    """`cancelled` said so before all loops were made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSpec:
    """What a loop shows: profile, scene, light, picture fault."""

    profile: str
    scene: str  # full name, with its variant
    light: SceneLight
    fault: CameraFault = CameraFault.NONE  # one of SHOWN_IN_PICTURE, or none

    def find_scene(self) -> Scene:
        """Its entry in the catalogue. Raises KeyError when there is none."""
        scene = by_name(catalogue(self.profile))[clean_name(self.scene)]
        scene.variant(self.scene)
        return scene


@dataclass(frozen=True, slots=True, eq=False)
class LoopPair:
    """The same view as the main and as the sub stream."""

    main: EncodedLoop
    sub: EncodedLoop


@dataclass(frozen=True, slots=True)
class LoopLibrary:
    """Loops by specification, kept under `cache`."""

    cache: Path = DEFAULT_CACHE

    def ensure(
        self,
        specs: Iterable[LoopSpec],
        progress: ProgressCallback | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> int:
        """Encode what is missing, on all cores; how many were encoded.

        `cancelled` is asked twice a second; once it says yes, the workers are ended and
        EncodingCancelled is raised. What was finished by then stays in the cache.
        """
        missing = [spec for spec in dict.fromkeys(specs) if not self.has(spec)]
        if not missing:
            return 0
        self.cache.mkdir(parents=True, exist_ok=True)
        groups = _by_scene(missing)
        others = set(active_children())
        workers = min(len(groups), _cores())
        spawn = get_context("spawn")
        with ProcessPoolExecutor(workers, spawn, initializer=_leave_signals) as pool:
            jobs = {pool.submit(_make_all, group, self.cache) for group in groups}
            done = 0
            while jobs:
                finished, jobs = wait(jobs, timeout=_ASK_S, return_when=FIRST_COMPLETED)
                if cancelled():
                    pool.shutdown(wait=False, cancel_futures=True)
                    _end(set(active_children()) - others)
                    raise EncodingCancelled
                done += sum(job.result() for job in finished)
                if finished and progress is not None:
                    progress(done, len(missing))
        return len(missing)

    def has(self, spec: LoopSpec) -> bool:
        """Whether both streams are in the cache."""
        scene = spec.find_scene()
        return all(_path(self.cache, spec, f).exists() for f in (scene.main, scene.sub))

    def load(self, spec: LoopSpec) -> LoopPair:
        """Both streams; drawn and encoded here and now if they are missing."""
        if not self.has(spec):
            self.cache.mkdir(parents=True, exist_ok=True)
            _make(spec, self.cache)
        try:
            return self._read(spec)
        except ValueError:  # cut short by a full disk, or no loop at all
            _make(spec, self.cache)
            return self._read(spec)

    def _read(self, spec: LoopSpec) -> LoopPair:
        scene = spec.find_scene()
        return LoopPair(
            read_loop(_path(self.cache, spec, scene.main), scene.main),
            read_loop(_path(self.cache, spec, scene.sub), scene.sub),
        )


def cost_of(spec: LoopSpec) -> int:
    """A rough cost in pixels, by which work is put in order."""
    main = spec.find_scene().main
    return main.loop_frames * main.width * main.height * (4 if main.codec == "hevc" else 1)


def _by_scene(specs: list[LoopSpec]) -> list[list[LoopSpec]]:
    """Variants of one scene together, as they share its still; the longest work first."""
    groups: dict[str, list[LoopSpec]] = {}
    for spec in specs:
        groups.setdefault(clean_name(spec.scene), []).append(spec)
    return sorted(groups.values(), key=lambda group: sum(map(cost_of, group)), reverse=True)


def _leave_signals() -> None:
    """Ignore SIGINT and SIGTERM in a worker: they reach the whole group, and the parent decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(ENCODER_NICENESS)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """End the worker when its parent was killed."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _end(workers: Iterable[BaseProcess]) -> None:
    """End the workers at once; files are renamed into place whole, so nothing half-made is left."""
    for worker in workers:
        worker.kill()


def _cores() -> int:
    return os.cpu_count() or 1


def _make_all(specs: list[LoopSpec], cache: Path) -> int:
    """Draw and encode specifications of one scene; runs in a worker process."""
    cv2.setNumThreads(1)
    for spec in specs:
        _make(spec, cache)
    return len(specs)


def _path(cache: Path, spec: LoopSpec, stream: StreamFormat) -> Path:
    key = hashlib.sha256(repr((CONTENT_VERSION, spec, stream)).encode()).hexdigest()[:16]
    fault = "" if spec.fault is CameraFault.NONE else f"-{spec.fault}"
    return cache / f"{spec.scene}{fault}-{spec.light}-{stream.width}x{stream.height}-{key}.loop"


def _make(spec: LoopSpec, cache: Path) -> None:
    """Draw and encode one specification, main and sub."""
    scene = spec.find_scene()
    for stream in (scene.main, scene.sub):
        frames = render_frames(scene, spec.scene, spec.light, spec.fault, stream)
        write_loop(encode(frames, stream), _path(cache, spec, stream))

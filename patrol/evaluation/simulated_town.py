"""`patrol eval town`: two rounds of the simulated town, scored against what was seeded in it.

The town runs in a process of its own and is visited over RTSP, as cameras are. First every camera
shows its ordinary scene, round after round, until references are learned; then the seeded faults
and problems are switched on and two rounds are judged. The document says which seeded problems were
proposed and which were missed, and how many views an operator has to review.
"""

import asyncio
import json
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from patrol.clock import SystemClock
from patrol.domain.camera import Camera
from patrol.domain.observation import Light, Observation, Subject
from patrol.evaluation.labels import LOCAL
from patrol.evaluation.metrics import Counts, rate_document
from patrol.evaluation.results import FORMAT
from patrol.ports import Detector
from patrol.settings import load_site
from patrol.vision.judge import judge_visit
from patrol.vision.types import LearnMode, VisionThresholds, VisitInput, VisitJudgement
from simulators.rtsp_farm.process import running_farm
from streams.capture import StreamCameraClient
from streams.decode import decode
from streams.errors import StreamError
from streams.model import Sample, VisitOptions

CAMERAS = 48  # a part of the town: every scene kind, a handful of problems and faults
LEARNING_ROUNDS = 8
ROUNDS = 2  # morning and afternoon: what a change needs to become a finding
AT_ONCE = 24  # connections
START = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)  # ten in the morning, Shanghai
EVERY = timedelta(hours=12)
OPTIONS = VisitOptions(pictures=2, spacing_s=1.5)
CONTROL_TIMEOUT_S = 120.0
# What the simulator calls a fault → what the gauges call it. Others are on the wire, or weather.
FAULTS: Mapping[str, str] = {
    "frozen": "freeze", "black": "black_screen", "solid": "solid_color", "blurred": "blur",
    "dark": "too_dark", "bright": "too_bright", "covered": "occlusion", "shifted": "scene_shift",
    "corrupt_bitstream": "artifacts", "clock_skew": "clock_skew",
}  # fmt: skip
SendCommand = Callable[[Mapping[str, str]], Mapping[str, Any]]


@dataclass(slots=True)
class _SeededCamera:
    """One camera through the whole evaluation."""

    camera: Camera
    memories: Mapping[Light, bytes] = field(default_factory=dict)
    seen: list[VisitJudgement] = field(default_factory=list)  # of the judged rounds
    failures: list[str] = field(default_factory=list)

    @property
    def proposals(self) -> list[Observation]:
        """The scene observations after the last round, as an operator would review them."""
        if not self.seen:
            return []
        return [o for o in self.seen[-1].observations if o.subject is Subject.SCENE]


def run_town(
    *,
    detector: Detector | None,
    policy: VisionThresholds | None,
    report: Callable[[str], None],
    note: str,
    cameras: int = CAMERAS,
    seed: int = 11,
) -> Mapping[str, Any]:
    """Learn, judge the rounds, and count. Raises RuntimeError: the town refused a request."""
    with tempfile.TemporaryDirectory(prefix="patrol-eval-") as folder:
        directory = Path(folder)
        with (
            running_farm(directory, cameras=cameras, faults="town", seed=seed) as farm,
            _control(farm.control_port) as send_command,
        ):
            truths: Mapping[str, Mapping[str, Any]] = send_command({"do": "truth"})["cameras"]
            registry = load_site(directory).registry
            seeded_cameras = [
                _SeededCamera(camera)
                for camera in registry.cameras.values()
                if truths[camera.id]["patrolled"]
            ]
            _apply_stage(send_command, seeded_cameras, truths, clean=True)
            for turn in range(LEARNING_ROUNDS):
                report(f"town: learning round {turn + 1}/{LEARNING_ROUNDS}")
                _run_round(seeded_cameras, turn, LearnMode.YES, detector, policy)
            _apply_stage(send_command, seeded_cameras, truths, clean=False)
            for turn in range(ROUNDS):
                report(f"town: round {turn + 1}/{ROUNDS}")
                _run_round(seeded_cameras, LEARNING_ROUNDS + turn, LearnMode.NO, detector, policy)
    return _town_document(seeded_cameras, truths, note)


@contextmanager
def _control(port: int) -> Iterator[SendCommand]:
    """The town's control channel: one JSON line each way."""
    with (
        socket.create_connection(("127.0.0.1", port), CONTROL_TIMEOUT_S) as link,
        link.makefile("rb") as lines,  # closed as well, or the socket stays open
    ):

        def send_command(request: Mapping[str, str]) -> Mapping[str, Any]:
            link.sendall(json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(lines.readline() or b'{"ok": false}')
            if not answer.get("ok"):
                raise RuntimeError(f"the simulated town refused {request}: {answer.get('error')}")
            return answer

        yield send_command


def _apply_stage(
    send_command: SendCommand,
    seeded_cameras: Sequence[_SeededCamera],
    truths: Mapping[str, Mapping[str, Any]],
    *,
    clean: bool,
) -> None:
    """Switch every camera to its ordinary scene without a fault, or to what was seeded."""
    for one in seeded_cameras:
        camera, truth = one.camera.id, truths[one.camera.id]
        if truth["fault"] != "none":
            fault = "none" if clean else str(truth["fault"])
            send_command({"do": "fault", "camera": camera, "fault": fault})
        if truth["scene"] != truth["clean"]:
            scene = "clean" if clean else str(truth["scene"])
            send_command({"do": "scene", "camera": camera, "scene": scene})


def _run_round(
    seeded_cameras: Sequence[_SeededCamera],
    turn: int,
    learn_mode: LearnMode,
    detector: Detector | None,
    policy: VisionThresholds | None,
) -> None:
    samples = asyncio.run(_visit_all([one.camera for one in seeded_cameras]))
    at = START + turn * EVERY
    for one, sample in zip(seeded_cameras, samples, strict=True):
        if isinstance(sample, StreamError):
            one.failures.append(sample.kind)
            one.seen.clear()
            continue
        visit_input = _visit_input(one, sample, at, learn_mode)
        if visit_input is None:
            continue
        judgement = judge_visit(visit_input, detector=detector, policy=policy)
        one.memories = {**one.memories, **judgement.memories}
        if learn_mode is LearnMode.NO:
            one.seen.append(judgement)


async def _visit_all(cameras: Sequence[Camera]) -> list[Sample | StreamError]:
    slots = asyncio.Semaphore(AT_ONCE)
    visitor = StreamCameraClient(SystemClock().now)

    async def one(camera: Camera) -> Sample | StreamError:
        async with slots:
            try:
                return await visitor(camera.main_stream, OPTIONS)
            except StreamError as problem:
                return problem

    return list(await asyncio.gather(*(one(camera) for camera in cameras)))


def _visit_input(
    one: _SeededCamera, sample: Sample, at: datetime, learn_mode: LearnMode
) -> VisitInput | None:
    pictures = []
    for key_frame in sample.key_frames:
        try:
            pictures.append(decode(key_frame))
        except StreamError as problem:
            one.failures.append(problem.kind)
    if not pictures:
        return None
    return VisitInput(
        camera=one.camera.id,
        round=None,
        pictures=[picture.bgr for picture in pictures],
        at=at,
        local=at.astimezone(LOCAL),
        memories=one.memories,
        areas=one.camera.areas,
        freshness=str(sample.freshness),
        corrupt=any(picture.corrupt for picture in pictures),
        stream_facts=sample.facts,
        learn_mode=learn_mode,
    )


def _town_document(
    seeded_cameras: Sequence[_SeededCamera], truths: Mapping[str, Mapping[str, Any]], note: str
) -> Mapping[str, Any]:
    seeded, views, tallies = [], 0, {"problem": Counts()}
    for one in seeded_cameras:
        truth = truths[one.camera.id]
        proposed = sorted({o.kind for o in one.proposals})
        views += bool(proposed)
        real = bool(truth["visible_problem"])
        tallies["problem"] += Counts(
            tp=int(real and bool(proposed)),
            fp=int(bool(proposed) and not real),
            fn=int(real and not proposed),
        )
        if truth["problem"]:
            seeded.append(
                {"camera": one.camera.id, "problem": truth["problem"], "scene": truth["scene"],
                 "fault": truth["fault"], "visible": real, "proposed": " ".join(proposed)}
            )  # fmt: skip
        for kind, tally in _fault_counts(one, str(truth["fault"])).items():
            tallies[kind] = tallies.get(kind, Counts()) + tally
    return {
        "format": FORMAT,
        "set": "town",
        "visits": ROUNDS * len(seeded_cameras),
        "cameras": len(seeded_cameras),
        "kinds": {
            kind: {"group": "scene" if kind == "problem" else "fault", **tally.as_document()}
            for kind, tally in sorted(tallies.items())
        },
        "summary": {
            "views_for_an_operator": rate_document(views, len(seeded_cameras)),
            "not_viewable": rate_document(
                sum(not one.seen for one in seeded_cameras), len(seeded_cameras)
            ),
        },
        "seeded": seeded,
        "notes": [note],
    }


def _fault_counts(one: _SeededCamera, seeded: str) -> dict[str, Counts]:
    """Per fault kind, of the last round; a camera that was not seen counts nowhere."""
    if not one.seen:
        return {}
    truth = frozenset({FAULTS[seeded]} if seeded in FAULTS else ())
    if seeded in {"key_frame_every_10s", "dusty"}:
        return {}  # no picture fault of ours: a slow stream, the weather
    proposed = frozenset(one.seen[-1].faults)
    return {
        kind: Counts(
            tp=int(kind in truth & proposed),
            fp=int(kind not in truth),
            fn=int(kind not in proposed),
        )
        for kind in truth | proposed
    }

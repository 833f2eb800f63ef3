"""What a camera's scene memory keeps, and what it refuses to read."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from patrol.domain.observation import Light
from patrol.vision.reference import (
    LearningPolicy,
    MemoryUnreadable,
    SceneMemory,
    SceneState,
    accept_as_reference,
    learn_sample,
    suspend_reference,
    wants_sample,
)

START = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)
Picture = NDArray[np.uint8]


def ground(seed: int = 1, noise: int = 0) -> Picture:
    rng = np.random.default_rng(seed)
    made = np.repeat(np.repeat(rng.integers(30, 220, (18, 32, 3)), 20, axis=0), 20, axis=1)
    grain = np.random.default_rng(noise).normal(0, 2, made.shape)
    return np.clip(made + grain, 0, 255).astype(np.uint8)


def learned(visits: int, picture: Picture | None = None) -> SceneMemory:
    memory: SceneMemory | None = None
    for turn in range(visits):
        shot = ground(noise=turn) if picture is None else picture
        memory = learn_sample(memory, shot, START + turn * timedelta(hours=12))
    assert memory is not None
    return memory


def test_seven_samples_make_a_reference() -> None:
    six, seven = learned(6), learned(7)
    assert (six.state, six.model) == (SceneState.LEARNING, None)
    assert seven.state is SceneState.READY
    assert seven.usable(START + timedelta(days=5))


def test_who_stood_there_in_two_samples_of_seven_leaves_no_trace() -> None:
    memory: SceneMemory | None = None
    for turn in range(7):
        shot = ground(noise=turn)
        if turn in {2, 4}:
            shot[100:260, 250:330] = (20, 20, 160)
        memory = learn_sample(memory, shot, START + turn * timedelta(hours=12))
    assert memory is not None
    assert memory.model is not None
    clean = learned(7).model
    assert clean is not None
    difference = np.abs(memory.model.picture.grey - clean.picture.grey)
    assert float(np.percentile(difference, 99)) < 12


def test_bytes_come_back_the_same_and_are_small() -> None:
    memory = suspend_reference(learned(8), "scene_shift")
    blob = memory.to_bytes()
    again = SceneMemory.from_bytes(blob)
    assert len(blob) < 260_000  # noise squares compress worse than any scene
    assert again.to_bytes() == SceneMemory.from_bytes(again.to_bytes()).to_bytes()
    assert (again.state, again.why, again.accepted) == (SceneState.SUSPENDED, "scene_shift", 8)
    assert again.model is not None
    assert memory.model is not None
    assert np.allclose(again.model.points, memory.model.points)


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 2000), flip=st.integers(0, 1999))
def test_broken_bytes_are_refused_by_name(cut: int, flip: int) -> None:
    blob = SMALL
    damaged = bytearray(blob[: len(blob) - cut] if cut else blob)
    if damaged:
        damaged[flip % len(damaged)] ^= 0x5A
    try:
        SceneMemory.from_bytes(bytes(damaged))
    except MemoryUnreadable:
        return
    # A flipped bit inside a JPEG is a changed pixel, which nobody can tell: all else is refused.
    assert cut == 0


SMALL = learned(1).to_bytes()


@pytest.mark.parametrize(
    "blob", [b"", b"PSCN", b"x" * 500, SMALL[:-1], b"PSCN\x63\x00" + SMALL[6:]]
)
def test_what_is_no_memory_is_refused(blob: bytes) -> None:
    with pytest.raises(MemoryUnreadable, match="not a scene memory"):
        SceneMemory.from_bytes(blob)


def test_a_reference_that_nobody_refreshed_expires_and_is_learned_anew() -> None:
    memory = learned(7)
    late = START + timedelta(days=90)
    assert not memory.usable(late)
    anew = learn_sample(memory, ground(), late)
    assert (anew.accepted, anew.state) == (1, SceneState.LEARNING)


def test_a_suspended_camera_learns_nothing_until_a_person_accepts() -> None:
    suspended = suspend_reference(learned(7), "scene_shift")
    assert learn_sample(suspended, ground(2), START + timedelta(days=5)) is suspended
    accepted = accept_as_reference(ground(2), START + timedelta(days=5))
    assert accepted.usable(START + timedelta(days=5))


def test_another_light_or_shape_starts_over() -> None:
    memory = learned(7)
    assert learn_sample(memory, ground(), START, light=Light.INFRARED).accepted == 1
    assert learn_sample(memory, ground()[:, :360], START).accepted == 1


@pytest.mark.parametrize(
    ("samples", "days", "wanted"),
    [
        pytest.param(3, 3, True, id="still learning"),
        pytest.param(9, 5, False, id="fresh enough"),
        pytest.param(9, 8, True, id="the season moves on"),
    ],
)
def test_when_another_sample_is_worth_its_cost(samples: int, days: int, *, wanted: bool) -> None:
    policy = LearningPolicy(refresh_every=timedelta(days=3))
    assert wants_sample(learned(samples), START + timedelta(days=days), policy) is wanted

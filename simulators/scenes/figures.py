"""What can stand in a scene: a car, a minibus, people, cattle, a heap of rubbish."""

# ruff: noqa: PLR2004  the numbers are the measures of drawn things, in metres

from typing import Final

import numpy as np

from simulators.scenes.canvas import Colour, Floats, noise
from simulators.scenes.solids import (
    Distance,
    Paint,
    SolidFigure,
    SolidPart,
    box,
    ellipsoid,
    joined,
    limb,
    tapered,
    tyre,
)

RUBBER: Colour = (0.07, 0.07, 0.07)
WINDOW_COLOUR: Colour = (0.10, 0.09, 0.08)
STEEL: Colour = (0.62, 0.62, 0.60)

_COAT: Final = (
    ellipsoid((0, 0, 1.22), (0.145, 0.215, 0.33)),
    ellipsoid((0, 0, 0.95), (0.135, 0.18, 0.16)),
    limb((0, 0.20, 1.42), (-0.07, 0.27, 1.14), 0.075, 0.062),
    limb((-0.07, 0.27, 1.14), (0.08, 0.26, 0.90), 0.062, 0.05),
    limb((0, -0.20, 1.42), (0.05, -0.27, 1.14), 0.075, 0.062),
    limb((0.05, -0.27, 1.14), (0.20, -0.25, 0.96), 0.062, 0.05),
)
_COW_TRUNK: Final = (
    ellipsoid((0.0, 0, 1.02), (0.85, 0.36, 0.40)),
    ellipsoid((0.55, 0, 1.08), (0.36, 0.30, 0.38)),
    ellipsoid((-0.62, 0, 1.08), (0.36, 0.33, 0.36)),
    limb((0.75, 0, 1.15), (1.12, 0, 1.22), 0.22, 0.15),
    limb((1.10, 0, 1.26), (1.42, 0, 1.06), 0.135, 0.085),
    limb((0.52, 0.20, 0.85), (0.54, 0.20, 0.45), 0.12, 0.07),
    limb((0.54, 0.20, 0.45), (0.52, 0.20, 0.06), 0.07, 0.06),
    limb((0.60, -0.20, 0.85), (0.66, -0.20, 0.45), 0.12, 0.07),
    limb((0.66, -0.20, 0.45), (0.70, -0.20, 0.06), 0.07, 0.06),
    limb((-0.66, 0.22, 0.88), (-0.76, 0.22, 0.48), 0.15, 0.075),
    limb((-0.76, 0.22, 0.48), (-0.72, 0.22, 0.06), 0.075, 0.06),
    limb((-0.60, -0.22, 0.88), (-0.60, -0.22, 0.48), 0.15, 0.075),
    limb((-0.60, -0.22, 0.48), (-0.54, -0.22, 0.06), 0.075, 0.06),
    limb((-0.95, 0, 1.28), (-1.02, 0, 0.60), 0.035, 0.025),
    ellipsoid((1.10, 0.17, 1.34), (0.05, 0.12, 0.04)),
    ellipsoid((1.10, -0.17, 1.34), (0.05, 0.12, 0.04)),
)


def all_over(colour: Colour) -> Paint:
    """One colour."""

    def paint(p: Floats) -> Floats:
        return np.broadcast_to(np.array(colour, np.float32), p.shape).copy()

    return paint


def _where(
    base: Floats, mask: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]", c: Colour
) -> None:
    base[mask] = np.array(c, np.float32)


def car(colour: Colour) -> SolidFigure:
    """A saloon, 4.5 m long."""
    sill = box((0, 0, 0.52), (2.22, 0.88, 0.30), 0.16)
    bonnet = tapered(box((0, 0, 0.70), (2.15, 0.86, 0.22), 0.14), above=0.6, length=0.1, width=0.15)
    cabin = tapered(
        box((-0.25, 0, 1.10), (1.42, 0.80, 0.40), 0.12), above=0.80, length=0.62, width=0.34
    )
    body = joined([sill, bonnet], 0.08)

    def on_body(p: Floats) -> Floats:
        out = all_over(colour)(p)
        x, y, z, front = np.abs(p[:, 0]), np.abs(p[:, 1]), p[:, 2], p[:, 0] > 0
        _where(out, z < 0.30, (0.05, 0.05, 0.05))
        corner = (x > 2.02) & (y > 0.42) & (z > 0.58) & (z < 0.78)
        _where(out, corner & front, (0.95, 0.95, 0.92))
        _where(out, corner & ~front, (0.08, 0.06, 0.55))
        _where(out, (x > 2.1) & front & (y < 0.42) & (z > 0.42) & (z < 0.68), RUBBER)
        _where(out, (x > 2.12) & (y < 0.23) & (z > 0.46) & (z < 0.58), (0.75, 0.42, 0.12))
        seam = np.min([np.abs(p[:, 0] - s) for s in (-1.15, -0.15, 0.85)], axis=0)
        _where(out, (seam < 0.012) & (y > 0.8) & (z > 0.35), (0.05, 0.05, 0.05))
        return out

    def on_cabin(p: Floats) -> Floats:
        out = all_over(colour)(p)
        x, y, z = p[:, 0] + 0.25, np.abs(p[:, 1]), p[:, 2]
        band = (z > 0.90) & (z < 1.36)
        pillar = np.min([np.abs(x - s) for s in (-0.62, 0.12)], axis=0) < 0.05
        side = y > 0.60 - 0.30 * (z - 0.9)
        _where(out, band & side & ~pillar & (np.abs(x) < 1.05), WINDOW_COLOUR)
        _where(out, band & ~side & (np.abs(x) > 0.70), WINDOW_COLOUR)
        return out

    axles = (-1.35, 1.38)
    wheels = [tyre(x, y, 0.33, 0.22) for x in axles for y in (-0.80, 0.80)]
    rims = [tyre(x, y, 0.33, 0.24) for x in axles for y in (-0.80, 0.80)]
    return SolidFigure(
        label="car",
        size=(4.5, 1.8, 1.5),
        parts=(
            SolidPart(body, on_body, 0.55),
            SolidPart(cabin, on_cabin, 0.75),
            SolidPart(joined(wheels, 0.001), all_over(RUBBER)),
            SolidPart(_hubs(joined(rims, 0.001), axles, 0.33, 0.20), all_over(STEEL), 0.4),
        ),
    )


def _hubs(rims: Distance, axles: tuple[float, float], radius: float, reach: float) -> Distance:
    """The middle of wheels: what lies within `reach` of an axle."""

    def distance(p: Floats) -> Floats:
        off = np.min([np.hypot(p[:, 0] - x, p[:, 2] - radius) for x in axles], axis=0) - reach
        return np.asarray(np.maximum(rims(p), off), dtype=np.float32)

    return distance


def van(colour: Colour) -> SolidFigure:
    """A minibus (面包车), 4 m long and high."""
    body = joined(
        [
            box((-0.1, 0, 0.70), (1.95, 0.80, 0.42), 0.14),
            tapered(
                box((-0.2, 0, 1.35), (1.75, 0.78, 0.52), 0.14), above=1.0, length=0.16, width=0.16
            ),
        ],
        0.06,
    )

    def on_body(p: Floats) -> Floats:
        out = all_over(colour)(p)
        x, y, z = p[:, 0], np.abs(p[:, 1]), p[:, 2]
        _where(out, z < 0.36, (0.06, 0.06, 0.06))
        band = (z > 1.08) & (z < 1.62)
        pillar = np.min([np.abs(x - s) for s in (-1.25, -0.3, 0.65)], axis=0) < 0.06
        _where(out, band & (y > 0.55) & ~pillar & (np.abs(x) < 1.5), WINDOW_COLOUR)
        _where(out, band & (np.abs(x + 0.15) > 1.38) & (y < 0.62), WINDOW_COLOUR)
        headlight = (np.abs(x) > 1.82) & (y > 0.45) & (z > 0.62) & (z < 0.86)
        _where(out, headlight & (x > 0), (0.95, 0.95, 0.92))
        _where(out, headlight & (x < 0), (0.08, 0.06, 0.55))
        _where(out, (np.abs(x) > 1.9) & (y < 0.24) & (z > 0.46) & (z < 0.6), (0.75, 0.42, 0.12))
        return out

    wheels = joined([tyre(x, y, 0.30, 0.2) for x in (-1.2, 1.2) for y in (-0.72, 0.72)], 0.001)
    hub = _hubs(
        joined([tyre(x, y, 0.30, 0.22) for x in (-1.2, 1.2) for y in (-0.72, 0.72)], 0.001),
        (-1.2, 1.2),
        0.30,
        0.17,
    )
    return SolidFigure(
        label="car",
        size=(4.0, 1.65, 1.88),
        parts=(
            SolidPart(body, on_body, 0.5),
            SolidPart(wheels, all_over(RUBBER)),
            SolidPart(hub, all_over(STEEL), 0.3),
        ),
    )


def person(jacket: Colour, trousers: Colour, *, stride: float = 0.16) -> SolidFigure:
    """1.72 m tall, walking along x."""
    legs = joined(
        [
            limb((0, 0.10, 0.90), (stride * 0.55, 0.11, 0.48), 0.095, 0.07),
            limb((stride * 0.55, 0.11, 0.48), (stride * 0.7, 0.11, 0.09), 0.07, 0.05),
            limb((0, -0.10, 0.90), (-stride * 0.35, -0.11, 0.48), 0.095, 0.07),
            limb((-stride * 0.35, -0.11, 0.48), (-stride * 1.1, -0.11, 0.10), 0.07, 0.05),
        ],
        0.05,
    )
    shoes = joined(
        [
            ellipsoid((stride * 0.7 + 0.06, 0.11, 0.05), (0.14, 0.055, 0.05)),
            ellipsoid((-stride * 1.1 + 0.05, -0.11, 0.06), (0.14, 0.055, 0.05)),
        ],
        0.02,
    )
    coat = joined(_COAT, 0.05)
    skin = joined(
        [
            ellipsoid((0.02, 0, 1.62), (0.095, 0.08, 0.115)),
            limb((0, 0, 1.45), (0, 0, 1.55), 0.055),
            ellipsoid((0.10, 0.26, 0.86), (0.045, 0.035, 0.06)),
            ellipsoid((0.22, -0.25, 0.92), (0.045, 0.035, 0.06)),
        ],
        0.03,
    )
    hair = ellipsoid((-0.015, 0, 1.66), (0.10, 0.09, 0.095))
    return SolidFigure(
        label="person",
        size=(0.62, 0.62, 1.76),
        parts=(
            SolidPart(legs, all_over(trousers)),
            SolidPart(shoes, all_over((0.06, 0.06, 0.07))),
            SolidPart(coat, all_over(jacket), 0.05),
            SolidPart(skin, all_over((0.45, 0.58, 0.78)), 0.1),
            SolidPart(hair, all_over((0.05, 0.05, 0.06)), 0.2),
        ),
    )


def cow(
    *, seed: int = 0, dark: Colour = (0.07, 0.07, 0.08), pale: Colour = (0.82, 0.86, 0.88)
) -> SolidFigure:
    """A black-and-white cow, 2.2 m long, head down a little."""
    trunk = joined(_COW_TRUNK, 0.07)
    horns = joined(
        [
            limb((1.12, 0.07, 1.38), (1.16, 0.15, 1.50), 0.03, 0.012),
            limb((1.12, -0.07, 1.38), (1.16, -0.15, 1.50), 0.03, 0.012),
        ],
        0.01,
    )

    def hide(p: Floats) -> Floats:
        u = (p[:, 0] + 0.6 * p[:, 1] + 40)[:, None].astype(np.float32)
        v = (p[:, 2] + 0.5 * np.abs(p[:, 1]) + 40)[:, None].astype(np.float32)
        patch = noise(u, v, 0.42, seed)[:, 0] > 0.0
        out = all_over(pale)(p)
        _where(out, patch & (p[:, 2] > 0.45), dark)
        _where(out, (p[:, 0] > 1.36), (0.42, 0.45, 0.62))
        _where(out, (p[:, 0] > 1.05) & (p[:, 0] <= 1.36) & (np.abs(p[:, 1]) > 0.04), dark)
        _where(out, p[:, 2] < 0.10, (0.10, 0.11, 0.12))
        return out

    return SolidFigure(
        label="cow",
        size=(2.6, 0.85, 1.52),
        parts=(SolidPart(trunk, hide, 0.03), SolidPart(horns, all_over((0.6, 0.7, 0.75)))),
    )


def heap(*, seed: int = 0) -> SolidFigure:
    """Dumped bags, boards and loose rubbish, 3 m across."""
    rng = np.random.default_rng([seed, 5])
    colours: list[Colour] = [
        (0.12, 0.12, 0.12),
        (0.75, 0.75, 0.72),
        (0.55, 0.35, 0.15),
        (0.25, 0.45, 0.60),
        (0.2, 0.2, 0.5),
    ]
    pieces = []
    for colour in colours:
        shapes = []
        for _ in range(5):
            x, y = rng.normal(0, 0.55), rng.normal(0, 0.4)
            high = max(0.05, 0.55 - 0.5 * float(np.hypot(x, y)))
            r = rng.uniform(0.16, 0.34)
            shapes.append(
                ellipsoid((x, y, high * rng.uniform(0.4, 1) + 0.1), (r, r * 0.9, r * 0.75))
            )
        x, y = rng.normal(0, 0.6), rng.normal(0, 0.4)
        shapes.append(
            box((x, y, 0.25), (rng.uniform(0.1, 0.4), 0.14, rng.uniform(0.1, 0.25)), 0.02)
        )
        pieces.append(SolidPart(joined(shapes, 0.03), all_over(colour), 0.15))
    return SolidFigure(label="heap", size=(3.2, 2.6, 1.0), parts=tuple(pieces))

"""How unlike two aligned pictures are, pixel by pixel: structure, colour, light.

Each map is scaled so that 1.0 is where a difference starts to mean something; none of them knows
yet what is usual at this camera (learning.py) or what is a region (patrol.vision.change).

* structure: local correlation of the grey levels. A shadow or a haze scales and lifts a patch but
  keeps its pattern, so it is no difference; a thing put there brings its own pattern.
* colour: the share of red, green and blue, which a shadow hardly changes.
* light: brighter or much darker than the predicted exposure. Weak evidence by itself.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from patrol.vision.reference.tone import fit_tone
from patrol.vision.reference.working import Float, Mask, Working, as_float

WINDOW = 9  # px
NOISE_VARIANCE = 6.0  # grey levels², of a downscaled picture
ENERGY = 45.0  # grey levels²: a pattern this strong is half believed
STRUCTURE_UNIT = 0.45
COLOUR_UNIT = 0.055
BRIGHTER_UNIT = 0.42  # natural log: ×1.5
DARKER_UNIT = 1.05  # natural log: ÷2.9, deeper than a common shadow
TO_LUMA = np.array([[0.114, 0.587, 0.299]], np.float32)
DARK_FLOOR = 40.0  # grey levels added before shares are taken: dark pixels have no colour


@dataclass(frozen=True, slots=True, eq=False)
class Differences:
    """The three maps, and what they were made of."""

    structure: Float
    colour: Float
    light: Float
    picture: Working  # aligned
    predicted: Working  # the reference in today's exposure

    @property
    def strongest(self) -> Float:
        """The largest of the three."""
        return np.maximum(np.maximum(self.structure, self.colour), self.light)


def _box(values: Float, side: int = WINDOW) -> Float:
    return as_float(cv2.blur(values, (side, side)))


def _shares(smooth: Float) -> tuple[Float, Float]:
    """Red and blue against green, as shares of the whole: what a shadow hardly changes."""
    blue, green, red = (smooth[:, :, c] for c in range(3))
    total = blue + green + red + np.float32(3 * DARK_FLOOR)
    return as_float((red - green) / total), as_float((blue - green) / total)


def _colour(picture: Working, predicted: Working) -> Float:
    """Difference of the shares, the brighter first brought down to the darker; at half size.

    Without that, the floor that keeps dark pixels from having a colour would itself be a colour
    difference between a place and the same place in shadow.
    """
    seen, expected = picture.coarse, predicted.coarse
    bright_a, bright_b = (as_float(cv2.transform(c, TO_LUMA)) + 4.0 for c in (seen, expected))
    darker = np.minimum(bright_a, bright_b)
    red_a, blue_a = _shares(as_float(seen * (darker / bright_a)[:, :, None]))
    red_b, blue_b = _shares(as_float(expected * (darker / bright_b)[:, :, None]))
    half = cv2.magnitude(red_a - red_b, blue_a - blue_b)
    return as_float(cv2.resize(half, picture.size)) / np.float32(COLOUR_UNIT)


def _structure(seen: Float, expected: Float, gain: float) -> Float:
    mean_a, mean_b = _box(seen), _box(expected)
    var_a = _variance(seen, mean_a)
    var_b = _variance(expected, mean_b)
    common = _box(seen * expected)
    common -= mean_a * mean_b
    scale = (var_a + np.float32(NOISE_VARIANCE)) * (var_b + np.float32(NOISE_VARIANCE))
    unlike = 1 - common / np.sqrt(scale)
    energy = np.maximum(var_a, var_b, out=var_a)
    half = np.float32(ENERGY * min(max(gain, 0.35), 1.5) ** 2)
    unlike *= energy / (energy + half)
    unlike /= np.float32(STRUCTURE_UNIT)
    return as_float(unlike)


def _variance(values: Float, mean: Float) -> Float:
    """Over the window; rounding may take it a hair below zero."""
    squares = _box(values * values)
    squares -= mean * mean
    return np.maximum(squares, 0, out=squares)


def _light(seen: Float, expected: Float) -> Float:
    darker = np.log((_box(expected, 5) + 12.0) / (_box(seen, 5) + 12.0))
    return as_float(np.where(darker > 0, darker / DARKER_UNIT, -darker / BRIGHTER_UNIT))


def differences(
    picture: Working, reference: Working, where: Mask | None, *, colourless: bool
) -> Differences:
    """Compare an aligned picture with the reference; `where` limits what the exposure is fit on."""
    tone = fit_tone(reference.bgr, picture.bgr, where, grey=colourless)
    predicted = Working(tone.apply(reference.bgr))
    structure = _structure(picture.grey, predicted.grey, tone.gain)
    return Differences(
        structure=structure,
        colour=np.zeros_like(structure) if colourless else _colour(picture, predicted),
        light=_light(picture.grey, predicted.grey),
        picture=picture,
        predicted=predicted,
    )

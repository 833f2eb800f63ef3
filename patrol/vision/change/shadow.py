"""Whether a changed region is only lit differently: a shadow that came, or one that went.

The light over a region is what a median over nine pixels leaves of the logarithm of seen ÷ expected
— it keeps a shadow's sharp edge, and drops patterns. With that light put on the expected picture, a
shadow leaves nothing; a thing leaves its own pattern *and* misses the ground's.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from patrol.vision.reference.difference import Differences
from patrol.vision.reference.small_picture import Float, Mask, SmallPicture, as_float

MEDIAN = 9  # px; smaller follows the ground's own pattern, and explains things away
DETAIL = (7, 7)
MARGIN = 8  # px
LOG_FLOOR = 8.0  # grey levels; dark pixels have no ratio
STEPS = 64.0  # of the logarithm, per unit, in eight bits
NOISE = 2.5e-4  # energy of the sensor's noise in the logarithm: 1.6 % of the level
LEFT_OVER = 0.45  # of the patterns' energy; below, it may be the same pattern
SAME_PATTERN = 0.33  # … and below this it is, whatever the light does
PATTERNED = 5.0  # times the noise: a ground that can be told from another
LIT_SHARE = 0.25  # of a place is lit differently
CLEAR = 0.09  # of the logarithm: lit differently at all
DEEPEST = 1.25  # of the logarithm: no shadow takes more than 70 % of the light
ONE_WAY = 0.85  # of the differently lit pixels are darker, or brighter, together
EVEN = 0.13  # deviation of the light over a plain ground under one shadow
TINT = (0.4, 0.25)  # of the logarithm, red to blue and red to green: skylight is bluer than sun
TINT_SPREAD = 0.22  # between the quartiles: one light tints all that it falls on alike
BLIND = 248.0  # from this level on a channel is saturated


@dataclass(frozen=True, slots=True, eq=False)
class LightChange:
    """Explains changed regions of one comparison by light alone; used by regions.py."""

    found: Differences
    is_infrared: bool = False  # then the camera carries its light, and nothing casts a shadow

    def explains(self, box_px: tuple[int, int, int, int], inside: Mask) -> bool:
        """Whether light alone makes this region.

        On patterned ground the pattern decides: the same one shines through, or another is there.
        Where little is left, exposure and tint must fit a shadow as well; on plain ground they and
        the evenness of the light are all there is.
        """
        patch = _LightPatch.cut(self.found, box_px, inside)
        left, expected, seen = patch.energies()
        patterns = 2 * min(expected, seen) if self.is_infrared else expected + seen
        if patterns >= PATTERNED * NOISE and left < SAME_PATTERN * patterns:
            return True
        if self.is_infrared:
            return False
        lit = patch.one_directional()
        if lit is None or not patch.has_one_tint():
            return False
        if patterns < 3 * NOISE:
            return float(lit.std()) < EVEN
        return left < LEFT_OVER * patterns + NOISE


@dataclass(frozen=True, slots=True, eq=False)
class _LightPatch:
    """A region with a margin around it, so that windows and medians reach over its edge."""

    seen: SmallPicture
    expected: SmallPicture
    colour: Float
    inside: Mask
    log_seen: Float
    log_expected: Float
    light: Float  # logarithm of how much brighter, patterns dropped

    @classmethod
    def cut(
        cls, found: Differences, box_px: tuple[int, int, int, int], inside: Mask
    ) -> "_LightPatch":
        """The part of the comparison around a region."""
        x, y, w, h = box_px
        height, width = found.structure.shape
        left, top = min(x, MARGIN), min(y, MARGIN)
        right, bottom = min(width - x - w, MARGIN), min(height - y - h, MARGIN)
        window = (slice(y - top, y + h + bottom), slice(x - left, x + w + right))
        seen = SmallPicture(np.ascontiguousarray(found.picture.bgr[window]))
        expected = SmallPicture(np.ascontiguousarray(found.predicted.bgr[window]))
        log_seen = np.log(seen.grey + np.float32(LOG_FLOOR))
        log_expected = np.log(expected.grey + np.float32(LOG_FLOOR))
        stepped = np.clip((log_seen - log_expected) * STEPS + 128, 0, 255).astype(np.uint8)
        light = (as_float(cv2.medianBlur(stepped, MEDIAN)) - 128) / np.float32(STEPS)
        return cls(
            seen=seen,
            expected=expected,
            colour=found.colour[window],
            inside=np.pad(inside, ((top, bottom), (left, right))),
            log_seen=as_float(log_seen),
            log_expected=as_float(log_expected),
            light=as_float(light),
        )

    def energies(self) -> tuple[float, float, float]:
        """Squared detail: left over, of the expected picture, of the seen one."""
        unlit = self.log_seen - self.light
        maps = (unlit - self.log_expected, self.log_expected, unlit)
        left, expected, seen = (float(_detail(m)[self.inside].mean()) for m in maps)
        return left, expected, seen

    def one_directional(self) -> Float | None:
        """The light where it differs, if it is all darker or all brighter, and not too deep."""
        light = self.light[self.inside]
        lit = light[np.abs(light) > CLEAR]
        if lit.size < LIT_SHARE * light.size or float(np.percentile(np.abs(lit), 80)) > DEEPEST:
            return None
        darker = float((lit < 0).mean())
        return as_float(lit) if max(darker, 1 - darker) >= ONE_WAY else None

    def has_one_tint(self) -> bool:
        """Whether the region's colours all shifted alike, and only a little."""
        seen, expected = self.seen.smooth[self.inside], self.expected.smooth[self.inside]
        fair = (seen.max(axis=1) < BLIND) & (expected.max(axis=1) < BLIND)
        if fair.sum() < LIT_SHARE * fair.size:
            return float(np.median(self.colour[self.inside])) < 1.0
        moved = np.log(seen[fair] + LOG_FLOOR) - np.log(expected[fair] + LOG_FLOOR)
        for channel, most in zip((0, 1), TINT, strict=True):
            tint = moved[:, 2] - moved[:, channel]
            low, middle, high = np.percentile(tint, (25, 50, 75))
            if abs(middle) > most or high - low > TINT_SPREAD:
                return False
        return True


def _detail(values: Float) -> Float:
    fine = values - as_float(cv2.blur(values, DETAIL))
    return fine * fine

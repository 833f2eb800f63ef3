"""Align a picture with the reference: translation, small rotation, zoom.

The reference's own corner points are followed by Lucas–Kanade over light-free texture, and a
similarity is fitted through those that agree. Where few are found again, phase correlation says
where to start from (any translation); at last ORB features are matched: a camera turned far.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.vision.reference.small_picture import Float, Mask, SmallPicture, as_float, as_u8

MIN_POINTS = 12  # fewer corner points than this prove nothing (fog, a blank wall)
ENOUGH = 0.35  # of the points found again, consistently: it is the same view
WHOLE = 255
ORB_ENOUGH = 14  # consistent matches
PLAINLY = 0.55  # of the points: no need to search for a better start
MAX_POINTS = 110
PHASE_PEAK = 0.03  # response of phase correlation; below, a peak of noise
AGREEING = 0.3  # correlation of a window's texture from which it shows the same thing
WINDOW_PX = 31  # of 320: a tenth of the width holds enough texture that chance seldom correlates
OVERLAY_BAND = 8  # the upper and lower eighth are left out: burnt-in text is everywhere the same
IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])

Matrix = NDArray[np.float64]  # 2×3, reference point → point in the picture


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """How the view moved, reference → picture."""

    matrix: Matrix
    refound: float  # share of the reference's corner points found again, 0..1
    is_reliable: bool  # enough agreed for the matrix to be believed

    @property
    def rotation_deg(self) -> float:
        """The rotation in degrees, clockwise in the picture."""
        return math.degrees(math.atan2(self.matrix[1, 0], self.matrix[0, 0]))

    @property
    def zoom(self) -> float:
        """The zoom factor; 1.0: unchanged."""
        return math.hypot(self.matrix[0, 0], self.matrix[1, 0])

    def displacement(self, size: tuple[int, int]) -> float:
        """How far the picture's corners and centre moved, mean, as a fraction of its width."""
        width, height = size
        points = np.array(
            [(0, 0), (width, 0), (0, height), (width, height), (width / 2, height / 2)]
        )
        moved = points @ self.matrix[:, :2].T + self.matrix[:, 2]
        return float(np.linalg.norm(moved - points, axis=1).mean() / width)


def corner_points(picture: SmallPicture, where: Mask | None) -> Float:
    """Corner points that optical flow can follow, N × 2 in pixels."""
    mask = None if where is None else where.astype(np.uint8)
    found = cv2.goodFeaturesToTrack(picture.texture, MAX_POINTS, 0.02, 6.0, mask=mask, blockSize=5)
    if found is None:
        return np.zeros((0, 2), np.float32)
    return found.reshape(-1, 2).astype(np.float32)


def align(reference: SmallPicture, picture: SmallPicture, points: Float) -> Alignment:
    """Find the reference in the picture; `points` are the reference's corner points."""
    if len(points) < MIN_POINTS:
        return Alignment(IDENTITY, 1.0, is_reliable=False)
    followed = _align_by_flow(reference, picture, points, (0.0, 0.0))
    if followed.refound >= PLAINLY:
        return followed
    jumped = _align_by_flow(reference, picture, points, _translation(reference, picture))
    best = max(followed, jumped, key=lambda found: found.refound)
    return best if best.is_reliable else _align_by_features(reference, picture) or best


def onto_reference(picture: SmallPicture, alignment: Alignment) -> tuple[SmallPicture, Mask]:
    """The picture as the reference would see it, and where it has pixels."""
    width, height = picture.size
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    bgr = cv2.warpAffine(
        picture.bgr, alignment.matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    back = cv2.invertAffineTransform(alignment.matrix)
    outline = corners @ back[:, :2].T + back[:, 2]
    inside = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(inside, outline.round().astype(np.int32), 255)
    solid = cv2.erode(inside, np.ones((5, 5), np.uint8), borderValue=255)
    return SmallPicture(as_u8(bgr)), as_u8(solid) == WHOLE


def agreeing_share(reference: SmallPicture, picture: SmallPicture) -> float:
    """The share of the picture whose texture is that of the reference, at the best of two starts.

    A second opinion where the corner points are not found again: leaves, rain or a new season take
    every corner and leave most windows alike (0.12 and more over weeks of a growing meadow, 0.1
    with five sixths covered); two views of different places agree in 0.02 at the most.
    """
    found = [_agreeing(reference, picture, (0.0, 0.0))]
    shift = _translation(reference, picture)
    if shift != (0.0, 0.0):
        found.append(_agreeing(reference, picture, shift))
    return max(found)


def _agreeing(reference: SmallPicture, picture: SmallPicture, shift: tuple[float, float]) -> float:
    width, height = reference.size
    back = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(picture.texture, back, (width, height), flags=flags)
    band = height // OVERLAY_BAND
    here, there = (
        as_float(cv2.blur(as_float(texture[band:-band]) - np.float32(128.0), (3, 3)))
        for texture in (reference.texture, moved)
    )
    window = (WINDOW_PX, WINDOW_PX)
    energy = cv2.blur(here * here, window) * cv2.blur(there * there, window)
    alike = cv2.blur(here * there, window) / np.sqrt(np.maximum(energy, 1.0))
    return float((alike > AGREEING).mean())


def _translation(reference: SmallPicture, picture: SmallPicture) -> tuple[float, float]:
    width, height = reference.size
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    flat = np.float32(128.0)
    (dx, dy), response = cv2.phaseCorrelate(
        reference.texture.astype(np.float32) - flat,
        picture.texture.astype(np.float32) - flat,
        window,
    )
    return (dx, dy) if response > PHASE_PEAK else (0.0, 0.0)


def _align_by_flow(
    reference: SmallPicture, picture: SmallPicture, points: Float, start: tuple[float, float]
) -> Alignment:
    """Follow the corner points from where they should be."""
    ahead = as_float(points + np.array(start, np.float32)).reshape(-1, 1, 2)
    there, status, _ = cv2.calcOpticalFlowPyrLK(
        reference.texture, picture.texture, points.reshape(-1, 1, 2), ahead,
        winSize=(11, 11), maxLevel=2,
        criteria=(cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 12, 0.02),
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )  # fmt: skip
    found = status.ravel() > 0
    if int(found.sum()) < MIN_POINTS:
        return Alignment(IDENTITY, float(found.mean()), is_reliable=False)
    ended = as_float(there).reshape(-1, 2)[found]
    return _fit(points[found], ended, total=len(points), max_error_px=1.0)


def _fit(here: Float, there: Float, *, total: int, max_error_px: float) -> Alignment:
    matrix, inliers = cv2.estimateAffinePartial2D(
        here, there, method=cv2.RANSAC, ransacReprojThreshold=max_error_px, maxIters=400,
        confidence=0.99, refineIters=8,
    )  # fmt: skip
    if matrix is None:
        return Alignment(IDENTITY, 0.0, is_reliable=False)
    agreed = int(inliers.sum())
    share = agreed / total
    return Alignment(
        np.asarray(matrix, np.float64), share, is_reliable=agreed >= MIN_POINTS and share >= ENOUGH
    )


def _align_by_features(reference: SmallPicture, picture: SmallPicture) -> Alignment | None:
    """A transform through matched features, or None when too few agree."""
    finder = cv2.ORB.create(
        nfeatures=500, scaleFactor=1.2, nlevels=6, edgeThreshold=12, patchSize=21
    )
    points_a, descriptors_a = finder.detectAndCompute(reference.texture, None)
    points_b, descriptors_b = finder.detectAndCompute(picture.texture, None)
    if descriptors_a is None or descriptors_b is None:
        return None
    matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(descriptors_a, descriptors_b)
    if len(matches) < ORB_ENOUGH:
        return None
    here = np.array([points_a[m.queryIdx].pt for m in matches], np.float32)
    there = np.array([points_b[m.trainIdx].pt for m in matches], np.float32)
    fit = _fit(here, there, total=len(matches), max_error_px=2.0)
    if fit.refound * len(matches) < ORB_ENOUGH or not 0.4 < fit.zoom < 2.5:  # noqa: PLR2004
        return None
    return Alignment(fit.matrix, fit.refound, is_reliable=True)

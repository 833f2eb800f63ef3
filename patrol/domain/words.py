"""Words for what gauges and detectors say: Chinese first, English beside."""

from typing import Final

FAULTS: Final = {
    "black_screen": ("黑屏", "black screen"),
    "solid_color": ("纯色画面", "solid colour"),
    "too_dark": ("画面过暗", "too dark"),
    "too_bright": ("画面过亮", "too bright"),
    "low_contrast": ("对比度过低", "low contrast"),
    "blur": ("画面模糊", "blurred"),
    "color_cast": ("画面偏色", "colour cast"),
    "noise": ("画面噪声", "noise"),
    "stripes": ("条纹干扰", "stripes"),
    "freeze": ("画面冻结", "frozen picture"),
    "occlusion": ("镜头遮挡", "lens covered"),
    "scene_shift": ("画面移位", "camera moved"),
    "artifacts": ("花屏马赛克", "mosaic or smear"),
    "clock_skew": ("时钟偏差", "clock off"),
    "slow_keyframe": ("关键帧间隔过长", "slow key frames"),
    "infrared_stuck": ("红外未切换", "infrared stuck"),
}
LABELS: Final = {
    "person": "人", "bicycle": "自行车", "car": "汽车", "motorcycle": "摩托车", "bus": "客车",
    "truck": "货车", "dog": "狗", "horse": "马", "sheep": "羊", "cow": "牛",
}  # fmt: skip
# A question, not a claim: a change that the machine could not name and a picture of the blind
# sample are judged by the same words, so that nobody knows which of them lies before him.
COMPARE: Final = (
    "请与本机参考画面对照,看有无需要处置的变化"
    " (compare with this camera's reference: does anything here need somebody?)"
)

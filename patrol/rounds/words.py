"""Why a lead was made, in words: Chinese first, English beside."""

from patrol.domain import category as categories
from patrol.domain.observation import Observation

FAULTS = {
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
LABELS = {
    "person": "人", "bicycle": "自行车", "car": "汽车", "motorcycle": "摩托车", "bus": "客车",
    "truck": "货车", "dog": "狗", "horse": "马", "sheep": "羊", "cow": "牛",
}  # fmt: skip


def why_found(observation: Observation) -> str:
    """What was seen where, and how surely; or the gauge's number beside its limit."""
    if observation.kind in FAULTS:
        zh, en = FAULTS[observation.kind]
        return (
            f"{zh}:实测 {observation.value:.3g},界限 {observation.threshold:.3g}"
            f" ({en}: measured {observation.value:.3g}, limit {observation.threshold:.3g})"
        )
    category = categories.BY_ID.get(observation.kind, categories.BY_ID["other"])
    if observation.label:
        what = LABELS.get(observation.label, observation.label)
        return (
            f"区域「{observation.zone}」内发现{what},{category.zh}"
            f" ({observation.label} in zone {observation.zone}: {category.en},"
            f" score {observation.score:.2f})"
        )
    return (
        f"{category.zh}:与本机参考画面不同,得分 {observation.score:.2f}"
        f" ({category.en}: differs from this camera's reference, score {observation.score:.2f})"
    )

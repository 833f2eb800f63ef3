"""Make the replay of a round from what `patrol replay` names: other models, other thresholds.

`--models`: a folder or file models.yaml with weights of one's own, a folder of weights of the
product's manifest, or `none`. A model that cannot be opened ends the replay by name: a table made
without it would show that nothing is found any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from patrol.app.application import Application
from patrol.app.bootstrap import vision_thresholds
from patrol.app.detectors import Detectors, open_detectors
from patrol.domain.errors import BadInput, Failed
from patrol.domain.reader_language import translate
from patrol.inference.manifest import ModelSpec, Purpose, list_models
from patrol.rounds.replay import JudgingSetup, RoundReplay
from patrol.settings import Site
from patrol.settings.config_file import ConfigProblems, ProblemLog
from patrol.settings.models_yaml import load_models

MODELS_FILE: Final = "models.yaml"
NO_MODELS: Final = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayChoice:
    """What a round is judged again by; empty: as at present."""

    models: str = ""  # a path, or `none`
    thresholds: Mapping[str, float] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is named: the round is compared with what was recorded."""
        return not self.models and not self.thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """The replay of one site, and what both of its judgings are."""

    replay: RoundReplay
    present_models: tuple[str, ...]
    other_models: tuple[str, ...]
    changed_thresholds: Mapping[str, tuple[float | None, float | None]]  # present, other
    notes: tuple[str, ...]


def plan_replay(app: Application, choice: ReplayChoice, *, who: str) -> ReplayPlan:
    """The replay by this choice. Raises BadInput, ConfigProblems, Failed for a model's sake."""
    site, notes = app.site, list(app.detectors.without)
    own = site.settings.quality
    present = _setup(app.detectors, own)
    other: JudgingSetup | None = None
    changed: dict[str, tuple[float | None, float | None]] = {}
    if not choice.is_empty:
        detectors, models = _other_detectors(app, choice.models)
        limits = {**own, **(choice.thresholds or {})}
        other = _setup(detectors, limits)
        changed = _changed(present, other)
        notes += _unknown_classes(app, models)
    replay = RoundReplay(
        store=app.store,
        evidence=app.evidence,
        cameras=app.registry.cameras,
        rules=site.rules,
        zone=site.settings.site.tz,
        present=present,
        other=other,
        who=who,
    )
    return ReplayPlan(
        replay=replay,
        present_models=_names(present),
        other_models=_names(other) if other is not None else (),
        changed_thresholds=changed,
        notes=tuple(notes),
    )


def _setup(detectors: Detectors, limits: Mapping[str, float]) -> JudgingSetup:
    return JudgingSetup(
        detector=detectors.objects, fire_model=detectors.fire, policy=vision_thresholds(limits)
    )


def _names(setup: JudgingSetup) -> tuple[str, ...]:
    both = (setup.detector, setup.fire_model)
    return tuple(detector.gauge for detector in both if detector is not None)


def _other_detectors(app: Application, named: str) -> tuple[Detectors, Sequence[ModelSpec]]:
    """The models that are named; of a purpose for which none is named, the present one."""
    if not named:
        return app.detectors, ()
    if named == NO_MODELS:
        return Detectors(), ()
    site, path = app.site, Path(named)
    file = path / MODELS_FILE if path.is_dir() else path
    if file.is_file():
        wanted = _read_models(file)
        purposes = {model.purpose for model in wanted}
        kept = tuple(one for one in site.own_models if one.purpose not in purposes)
        other_site: Site = replace(site, own_models=(*kept, *wanted))
    elif path.is_dir() and any(model.state == "ready" for model in list_models(path)):
        settings = site.settings.model_copy(update={"models": path.resolve()})
        other_site = replace(site, own_models=(), settings=settings)
    else:
        raise BadInput(
            f"--models: {named}: neither a {MODELS_FILE} nor a folder of installed weights,"
            f" give one of them or `{NO_MODELS}`"
        )
    objects = other_site.settings.model_copy(update={"objects": True})
    opened = open_detectors(replace(other_site, settings=objects))
    if opened.without:
        raise Failed(f"--models: {named}: {'; '.join(opened.without)}")
    return opened, other_site.own_models


def _read_models(file: Path) -> tuple[ModelSpec, ...]:
    notes = ProblemLog()
    models = load_models(file, file.parent, notes.for_file(file))
    if notes.problems:
        raise ConfigProblems(notes.problems, count=notes.problem_count)
    return models


def _changed(
    present: JudgingSetup, other: JudgingSetup
) -> dict[str, tuple[float | None, float | None]]:
    """Thresholds that differ, `min_score` of the object model among them."""
    first, second = present.policy.quality, other.policy.quality
    pairs: dict[str, tuple[Any, Any]] = {
        field.name: (getattr(first, field.name), getattr(second, field.name))
        for field in fields(first)
    }
    pairs["min_score"] = _min_score(present), _min_score(other)
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _min_score(setup: JudgingSetup) -> float | None:
    return None if setup.detector is None else setup.detector.min_score


def _unknown_classes(app: Application, models: Sequence[ModelSpec]) -> list[str]:
    """Classes that zones ask for and the other model does not know: nothing is found of them."""
    zones = [zone for camera in app.registry.cameras.values() for zone in camera.areas.zones]
    wanted = {label for zone in zones for label in zone.classes}
    return [
        translate(
            f"{model.gauge} 不认识：{'、'.join(missing)}（zones.yaml）",
            f"{model.gauge} does not know: {', '.join(missing)} (zones.yaml)",
        )
        for model in models
        if model.purpose == Purpose.OBJECTS and (missing := sorted(wanted - {*model.labels}))
    ]

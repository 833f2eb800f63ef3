"""Names and files of the gauges' thresholds: `quality:` of site.yaml, and a file of it alone.

Such a file holds the section `quality:` as site.yaml has it; `patrol replay --thresholds` reads it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from patrol.settings.config_file import (
    ConfigProblems,
    FileProblemLog,
    ProblemLog,
    did_you_mean,
)
from patrol.settings.yaml_file import YamlDocument, read_yaml
from patrol.settings.yaml_types import PlainId
from patrol.settings.yaml_validation import validate


class _ThresholdFile(BaseModel):
    """The file of `patrol replay --thresholds`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quality: dict[PlainId, float] = Field(min_length=1)


def threshold_problem(name: str) -> str:
    """Why no gauge has a threshold of this name; "" where one has."""
    from patrol.vision.quality.report import QualityThresholds  # noqa: PLC0415  numpy, OpenCV

    known = [field.name for field in fields(QualityThresholds)]
    return "" if name in known else f"unknown threshold{did_you_mean(name, known)}"


def check_threshold_names(
    names: Iterable[str], document: YamlDocument, notes: FileProblemLog
) -> None:
    """Note thresholds of `quality:` whose name no gauge has."""
    for name in names:
        if text := threshold_problem(name):
            notes.add_problem(document.line(("quality", name)), f"quality.{name}", text)


def read_thresholds(path: Path) -> Mapping[str, float]:
    """The thresholds of a file by name. Raises ConfigProblems."""
    notes = ProblemLog()
    of_file = notes.for_file(path)
    document = read_yaml(path, of_file)
    read: _ThresholdFile | None = None
    if document is not None:
        read = validate(_ThresholdFile, document, of_file)
        if read is not None:
            check_threshold_names(read.quality, document, of_file)
    if read is None or notes.problems:
        raise ConfigProblems(notes.problems, count=notes.problem_count)
    return read.quality

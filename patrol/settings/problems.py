"""Problems of a site's files: collected while reading, reported all at once.

A *problem* stops the application from starting (exit code 2); a *notice* is legal, and `patrol
check` lists it, too. Each is one line: `FILE:LINE: field: what is wrong, what would be right`. The
texts never quote a URL: a password could be in it.
"""

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from typing_extensions import override

from patrol.domain.errors import BadInput


@dataclass(frozen=True, slots=True, order=True)
class ConfigProblem:
    """One problem of a file, with its place (`line` counts physical lines from 1)."""

    file: str
    line: int
    field: str
    text: str

    @override
    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.text}"

    def as_json(self) -> dict[str, object]:
        """The problem as a JSON object, for `--json`."""
        return {"file": self.file, "line": self.line, "field": self.field, "text": self.text}


class ConfigProblems(BadInput):
    """The configuration cannot be used; `problems` lists everything found, sorted."""

    def __init__(self, problems: list[ConfigProblem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class ProblemLog:
    """Collects problems and notices while the files are read."""

    problems: list[ConfigProblem] = field(default_factory=list)
    notices: list[ConfigProblem] = field(default_factory=list)

    def for_file(self, path: Path) -> "FileProblemLog":
        """This log, for one file."""
        return FileProblemLog(str(path), self)


@dataclass(frozen=True, slots=True)
class FileProblemLog:
    """The log of one file."""

    file: str
    notes: ProblemLog

    def add_problem(self, line: int, name: str, text: str) -> None:
        """Note something that has to be corrected."""
        self.notes.problems.append(ConfigProblem(self.file, line, name, text))

    def add_notice(self, line: int, name: str, text: str) -> None:
        """Note something legal that a person should know."""
        self.notes.notices.append(ConfigProblem(self.file, line, name, text))


def did_you_mean(given: str, known: list[str]) -> str:
    """`, did you mean 'x'?` — or the list of what is known, when nothing is close."""
    close = get_close_matches(given.lower(), known, n=1, cutoff=0.7)
    if close:
        return f", did you mean {close[0]!r}?"
    return f", known: {', '.join(known)}"

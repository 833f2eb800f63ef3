"""Wall clocks of child processes, set by libfaketime; their monotonic clock stays true."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class FakeWallClock:
    """The wall clock of every process that was started with `environment`."""

    def __init__(self, folder: Path) -> None:
        """Raises pytest's skip where libfaketime is missing; with CI=true its failure."""
        if not LIBRARIES:
            problem = "libfaketime is not installed (Debian: libfaketime)"
            if os.environ.get("CI") == "true":
                pytest.fail(problem)
            pytest.skip(problem)
        self._offset = folder / "clock-offset"
        self.set(0)

    @property
    def environment(self) -> Mapping[str, str]:
        """What to add to the environment of a process."""
        return {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: int) -> None:
        """Put it wrong by so much from now on, in one moment."""
        new = self._offset.with_suffix(".new")
        new.write_text(f"{seconds:+d}s")
        new.rename(self._offset)

"""Fixture that skips a test whose programs are missing (fails with CI=true)."""

import os
from collections.abc import Callable

import pytest


@pytest.fixture
def missing_part() -> Callable[[str], None]:
    def missing(what: str) -> None:
        if os.environ.get("CI") == "true":
            pytest.fail(what)
        pytest.skip(what)

    return missing

"""Waiting for what a page in a real browser will show, while the page's own events run.

For `tests/web`. Polled from outside: the console's content policy forbids evaluating text inside
the page, which Playwright's own `wait_for_function` does.
"""

import time
from collections.abc import Callable
from typing import Final

import pytest
from playwright.sync_api import Page

WAIT_S: Final = 20.0
EVERY_MS: Final = 20


def until(page: Page, holds: Callable[[], object], what: str, wait_s: float = WAIT_S) -> float:
    """Wait until `holds`; the seconds it took. Fails the test after `wait_s`, naming `what`."""
    began_s = time.monotonic()
    while not holds():
        if time.monotonic() - began_s > wait_s:
            pytest.fail(f"did not come: {what}")
        page.wait_for_timeout(EVERY_MS)
    return time.monotonic() - began_s


def until_true(page: Page, expression: str, wait_s: float = WAIT_S) -> float:
    """Wait until an expression is true on the page; the seconds it took. Fails as `until`."""
    return until(page, lambda: page.evaluate(expression), expression, wait_s)

"""The shell's completion: its script, verbs, options and choices."""

import os
import subprocess
import sys

import pytest


def asked(**variables: str) -> str:
    """What `patrol` prints to a shell that asks."""
    done = subprocess.run(
        [sys.executable, "-m", "patrol"], env={**os.environ, **variables},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script(shell: str) -> None:
    assert "_PATROL_COMPLETE" in asked(_PATROL_COMPLETE=f"source_{shell}")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("patrol ini", {"init"}),
        ("patrol consent w", {"withdraw"}),
        ("patrol consent withdraw --js", {"--json"}),
        ("patrol user add x --duty adm", {"admin"}),
    ],
)
def test_a_word(words: str, found: set[str]) -> None:
    position = str(len(words.split()) - 1)
    answer = asked(_PATROL_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=position)
    assert set(answer.split()) == found

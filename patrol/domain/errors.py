"""Base classes of exceptions that end a command: bad input (exit code 2) or a failure (1).

An exception class of the product derives from one of them, beside a builtin where callers catch
that (`class WeakPassword(BadInput, ValueError)`). `patrol.cli` prints its text on stderr, without
a traceback, and ends with the exit code that the base stands for. An exception that its callers
always catch derives from neither; tests/cli/test_exit_codes.py names those.
"""


class BadInput(Exception):
    """Input or configuration that cannot be used; its author has to change it. Exit code 2."""


class Failed(Exception):
    """The input was good and the work failed at run time; it may be tried again. Exit code 1."""

"""Whose move a failure is: the two bases of every exception that may end a command.

An exception class of the product derives from one of them, beside a builtin where callers catch
that (`class WeakPassword(BadInput, ValueError)`). `patrol.cli` prints its text on stderr, without
a traceback, and ends with the exit code that the base stands for. An exception that its callers
always catch derives from neither; tests/cli/test_exit_codes.py names those.
"""


class BadInput(Exception):
    """What was typed or configured cannot be done; its author changes it. Exit code 2."""


class Failed(Exception):
    """The input was good and the work failed at run time; it may be tried again. Exit code 1."""

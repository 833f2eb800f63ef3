"""`${NAME}` in a URL is taken from the environment, so that no password need stand in a file.

Only the braced form is replaced; any other `$` is an ordinary character of a URL.
"""

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\{([^{}]*)\}?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class BadReference(Exception):
    """A reference that cannot be replaced; the words name the variable, never a value."""


def expand(text: str, env: Mapping[str, str]) -> str:
    """`text` with every `${NAME}` replaced. Raises BadReference."""
    if "${" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if not match.group(0).endswith("}"):
            raise BadReference("'${' is not closed, write ${NAME}")
        if not _NAME.fullmatch(name):
            raise BadReference(f"${{{name}}} is not a variable's name, write ${{NAME}}")
        if name not in env:
            raise BadReference(f"the environment has no {name}, set it before starting")
        return env[name]

    return _REFERENCE.sub(value, text)

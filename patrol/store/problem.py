"""What the store's own fsck reports: where, what, and whose move it is, in one line."""

from dataclasses import dataclass
from typing import Final

from typing_extensions import override

KEEPER: Final = "the database's keeper: restore the last backup"
MAINTAINER: Final = "the maintainer: report it with this line"
AUDITOR: Final = "the auditor: someone changed rows by hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that does not hold."""

    where: str
    what: str
    whose: str = MAINTAINER

    @override
    def __str__(self) -> str:
        return f"{self.where}: {self.what} -> {self.whose}"

"""What `patrol check` says of secrets at rest, once a town is in production.

A trial on one machine may keep its passwords in cameras.csv and its key beside the pictures; a
town's households may expect more. Each notice names its remedy.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from patrol.encryption.site_key import credential_path
from patrol.settings.config_file import ConfigProblem
from patrol.settings.csv_file import lines_by_first_cell
from patrol.settings.site_keys import key_path

if TYPE_CHECKING:
    from patrol.settings import Site


def check_secrets(site: "Site", config: Path) -> Iterator[ConfigProblem]:
    """Passwords that stand plain in cameras.csv, and a key on the disk that it protects."""
    settings = site.settings
    if not settings.production:
        return
    plain = [one.id for one in site.registry.cameras.values() if one.has_plain_password]
    if plain:
        path = config / "cameras.csv"
        line = lines_by_first_cell(path).get(plain[0], 1)
        text = f"{len(plain)} cameras' passwords stand here plain, run `patrol credentials seal`"
        yield ConfigProblem(str(path), line, "url", text)
    if settings.keys.file is None and credential_path(os.environ) is None:
        text = (
            f"the site's key lies beside what it protects ({key_path(settings, os.environ)}); move"
            " it to another disk or a systemd credential, and keep a copy elsewhere"
        )
        yield ConfigProblem(str(config / "site.yaml"), 1, "keys.file", text)
    if not settings.backup.recipients:
        text = (
            "backups are readable by whoever has the file, give age recipients (docs/operations.md)"
        )
        yield ConfigProblem(str(config / "site.yaml"), 1, "backup.recipients", text)

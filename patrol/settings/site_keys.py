"""Where a site's keys lie, by its settings: the key's file, and the folder of the pictures' keys.

The key is read from `keys: {file: …}`, else from a systemd credential named `patrol.key`, else from
`patrol.key` in the folder of the keys, which lies beside that of the pictures (`evidence.keys`) and
not in it: nothing there is ever swept. In that place it protects the database and its copies, but a
whole stolen disk has both: `patrol keys show` says so.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from patrol.encryption import DayKeys, KeyProblem, SiteKey
from patrol.encryption.site_key import credential_path

if TYPE_CHECKING:
    from patrol.settings.site_names import SettingsForLists
    from patrol.settings.site_settings import Settings

    AnySettings = Settings | SettingsForLists

KEY_FOLDER_ENDING: Final = ".keys"
KEY_FILE: Final = "patrol.key"
DAY_FOLDER: Final = "days"


def key_folder(settings: "AnySettings") -> Path:
    """Where the day keys, the published heads and, without a setting, the site's key lie."""
    return settings.evidence.with_name(f"{settings.evidence.name}{KEY_FOLDER_ENDING}")


def key_path(settings: "AnySettings", environment: Mapping[str, str]) -> Path:
    """The file that holds the site's key, or would."""
    written = settings.keys.file or credential_path(environment)
    return written or key_folder(settings) / KEY_FILE


def anchor_path(settings: "AnySettings") -> Path:
    """The file beside the database that keeps each day's published heads."""
    return key_folder(settings) / "anchors.jsonl"


def stamp_folder(settings: "AnySettings") -> Path:
    """Where each day's time stamp lies, and the text that it is of."""
    return key_folder(settings) / "stamps"


def read_site_key(settings: "AnySettings", environment: Mapping[str, str]) -> SiteKey | None:
    """The site's key; None where none was made yet. Raises KeyProblem."""
    path = key_path(settings, environment)
    if not path.exists() and settings.keys.file is None:
        return None
    return SiteKey.read(path)


def make_site_key(settings: "AnySettings", environment: Mapping[str, str]) -> SiteKey:
    """The site's key, made where there is none. Raises KeyProblem.

    Not where day keys lie already: they were sealed with a key that is gone.
    """
    path = key_path(settings, environment)
    folder = key_folder(settings) / DAY_FOLDER
    if not path.exists() and any(folder.glob("*.key")):
        raise KeyProblem(
            f"{path}: the site's key is gone, and pictures are encrypted with it; put it back"
            " (`keys: {file: …}` in site.yaml says where it lies)"
        )
    return SiteKey.make(path)


def day_keys(settings: "AnySettings", site_key: SiteKey) -> DayKeys:
    """The keys of the site's pictures."""
    return DayKeys(key_folder(settings) / DAY_FOLDER, site_key)

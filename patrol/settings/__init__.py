"""A site's own files → Site: settings and registry, or every problem of every file at once.

`load_site` reads a configuration directory (load.py names its files), whole or not at all.
Reaching the broker or the database is not part of it (`patrol check`).
"""

from patrol.settings.load import load_site
from patrol.settings.problems import ConfigProblem, ConfigProblems
from patrol.settings.site_settings import (
    MqttSettings,
    RetentionSettings,
    RoundLimits,
    SamplingSettings,
    Settings,
    Site,
    SiteInfo,
)

__all__ = [
    "ConfigProblem",
    "ConfigProblems",
    "MqttSettings",
    "RetentionSettings",
    "RoundLimits",
    "SamplingSettings",
    "Settings",
    "Site",
    "SiteInfo",
    "load_site",
]

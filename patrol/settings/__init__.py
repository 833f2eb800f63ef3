"""The site's own files → small policies and a registry, or every problem of every file at once.

`load_site` reads a configuration directory (contracts.md, "Files"); nothing is half-loaded. Only
`app` and `cli` use this room. Not here: reaching the broker or the database (`patrol check`).
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

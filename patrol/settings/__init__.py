"""A site's own files → Site: settings and registry, or every problem of every file at once.

`load_site` reads a configuration directory (config/ is an example), whole or not at all. Not here:
reaching the broker or the database (`patrol check`).
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

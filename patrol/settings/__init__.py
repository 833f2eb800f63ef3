"""A site's own files → Site (load.py), or the few names that a list needs (site_names.py)."""

from typing import TYPE_CHECKING

from patrol.lazy_imports import lazy_exports

if TYPE_CHECKING:
    from patrol.settings.config_file import ConfigProblem, ConfigProblems
    from patrol.settings.load import CONFIG_FILES, load_site
    from patrol.settings.site_retention import RetentionSettings
    from patrol.settings.site_sampling import SamplingSettings
    from patrol.settings.site_settings import (
        MqttSettings,
        RoundLimits,
        Settings,
        Site,
        SiteInfo,
    )

__all__ = [
    "CONFIG_FILES",
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
__getattr__ = lazy_exports(
    __name__,
    {
        "config_file": ("ConfigProblem", "ConfigProblems"),
        "load": ("CONFIG_FILES", "load_site"),
        "site_retention": ("RetentionSettings",),
        "site_sampling": ("SamplingSettings",),
        "site_settings": (
            "MqttSettings",
            "RoundLimits",
            "Settings",
            "Site",
            "SiteInfo",
        ),
    },
)

"""The composition root: everything concrete meets here, and is put away in reverse order."""

from patrol.app.application import Application
from patrol.app.bootstrap import StartupWait, build

__all__ = ["Application", "StartupWait", "build"]

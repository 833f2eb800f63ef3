"""The composition root: builds the application from settings, and runs it as a service."""

from patrol.app.application import Application
from patrol.app.bootstrap import build
from patrol.app.store_opening import StartupWait

__all__ = ["Application", "StartupWait", "build"]

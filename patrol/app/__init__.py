"""The composition root: everything concrete meets here, and is put away in reverse order."""

from patrol.app.build import build
from patrol.app.house import App

__all__ = ["App", "build"]

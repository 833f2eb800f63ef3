"""The composition root: everything concrete meets here, and is put away in reverse order."""

from patrol.app.build import build
from patrol.app.house import App
from patrol.app.patience import Patience

__all__ = ["App", "Patience", "build"]

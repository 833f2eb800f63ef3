"""The command centre's console and the grid leader's phone page.

Pages come from the server as HTML (templates/), small scripts without a framework make them live
(static/), and whatever a widget is worth (charts, maps) comes from NiceGUI's wheel. Nothing is
fetched from anywhere else. Layers inside: doors → keys (who, what, tickets) → pages → web → server.
"""

from patrol.console.doors import ConsoleDoors, ConsoleOptions, SiteFacts
from patrol.console.server import ConsoleAddress, serve

__all__ = ["ConsoleAddress", "ConsoleDoors", "ConsoleOptions", "SiteFacts", "serve"]

"""The command centre's console and the grid leader's phone page.

Pages come from the server as HTML (templates/), small scripts without a framework make them live
(static/). Nothing is fetched from anywhere else; docs/console.md says why there is no framework.
Inside, upward: doors → gate, tickets, witness, pulse → desk → pages → web → server.
"""

from patrol.console.doors import ConsoleDoors, ConsoleOptions, Disk, Part, SiteFacts
from patrol.console.server import ConsoleAddress, serve

__all__ = [
    "ConsoleAddress",
    "ConsoleDoors",
    "ConsoleOptions",
    "Disk",
    "Part",
    "SiteFacts",
    "serve",
]

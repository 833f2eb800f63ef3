"""The web console, the grid leader's phone page and the JSON API (api/).

Pages come from the server as HTML (templates/), small scripts without a framework make them live
(static/). Nothing is fetched from anywhere else; docs/console.md says why there is no framework.
Inside, upward: options → auth, signed_links, access_logger, change_feed → context → pages → app.
"""

from patrol.app.status import DiskSpace, ServiceStatus
from patrol.web.app import ConsoleAddress, serve
from patrol.web.options import ConsoleOptions, SiteProfile, WebDeps

__all__ = [
    "ConsoleAddress",
    "ConsoleOptions",
    "DiskSpace",
    "ServiceStatus",
    "SiteProfile",
    "WebDeps",
    "serve",
]

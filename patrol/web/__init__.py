"""The web console, the grid leader's phone page and the JSON API (api/), in one server.

Pages come from the server as HTML (templates/); small scripts without a framework (static/) update
them. Nothing is fetched from another host; docs/console.md says why there is no framework. Order of
the modules: errors, i18n, signed_links → auth → assets, rendering, access_logger, change_feed,
thumbnails → context → pages, api → app → server.
"""

"""The JSON API: rounds, findings, cases, cameras, reports for programs, with OpenAPI.

An ASGI application of its own, to be mounted or served alone (`create_api`). Every request carries
an API key (`patrol key add`), every key the scopes that it needs and no more. No picture leaves
here, no household, no stream's address. Interactive pages are not served: they load their scripts
from the internet; `openapi.json` can be read by any tool.
"""

from patrol.api.doors import ApiDoors
from patrol.api.web import create_api

__all__ = ["ApiDoors", "create_api"]

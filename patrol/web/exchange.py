"""`/exchange/FOLDER/NAME`: where a cluster's workers put pictures and read references, over HTTPS.

Mounted where the site's exchange is its own directory. With the workers' bearer token a worker may
put results and read references, and nothing else: it lists nothing, deletes nothing and reads no
picture back. What is moved is sealed (patrol/cluster/exchange.py); nothing is opened here.
"""

import hmac
from http import HTTPStatus
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from patrol.app.cluster import SiteCluster
from patrol.cluster.exchange import (
    MAX_BLOB_BYTES,
    BlobMissing,
    DirectoryExchange,
    ExchangeRefused,
    Folder,
    checked_name,
    exchange_token,
)

EXCHANGE_PATH: Final = "/exchange"
OCTETS: Final = "application/octet-stream"


def create_exchange_app(cluster: SiteCluster, exchange: DirectoryExchange) -> Starlette:
    """The ASGI application of the exchange, to be mounted at `EXCHANGE_PATH`."""
    expected = f"Bearer {exchange_token(cluster.key)}".encode()

    def allowed(request: Request) -> bool:
        given = request.headers.get("authorization", "").encode("utf-8", "replace")
        return hmac.compare_digest(given, expected)

    async def put_result(request: Request) -> Response:
        if not allowed(request):
            return Response(status_code=HTTPStatus.UNAUTHORIZED)
        sealed = await request.body()
        try:
            name = checked_name(request.path_params["name"])
            if len(sealed) > MAX_BLOB_BYTES:
                return Response(status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            await run_in_threadpool(exchange.write, Folder.RESULTS, name, sealed)
        except BlobMissing:
            return Response(status_code=HTTPStatus.NOT_FOUND)
        except ExchangeRefused:
            return Response(status_code=HTTPStatus.INSUFFICIENT_STORAGE)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def get_reference(request: Request) -> Response:
        if not allowed(request):
            return Response(status_code=HTTPStatus.UNAUTHORIZED)
        try:
            name = checked_name(request.path_params["name"])
            sealed = await run_in_threadpool(exchange.read, Folder.REFERENCES, name)
        except BlobMissing:
            return Response(status_code=HTTPStatus.NOT_FOUND)
        except ExchangeRefused:
            return Response(status_code=HTTPStatus.INSUFFICIENT_STORAGE)
        return Response(sealed, media_type=OCTETS)

    return Starlette(
        routes=[
            Route(f"/{Folder.RESULTS}/{{name}}", put_result, methods=["PUT"]),
            Route(f"/{Folder.REFERENCES}/{{name}}", get_reference, methods=["GET"]),
        ]
    )

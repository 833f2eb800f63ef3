"""`/exchange/FOLDER/NAME`: where a cluster's workers put pictures and read references, over HTTPS.

Mounted where the site's exchange is its own directory. With the workers' bearer token a worker may
put results and read references, and nothing else: it lists nothing, deletes nothing and reads no
picture back. What is moved is sealed (patrol/cluster/exchange.py); nothing is opened here.
"""

import hmac
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

import structlog
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

log = structlog.get_logger(__name__)

EXCHANGE_PATH: Final = "/exchange"
OCTETS: Final = "application/octet-stream"
Answer = Callable[[DirectoryExchange, str, Request], Awaitable[Response]]


def create_exchange_app(cluster: SiteCluster, exchange: DirectoryExchange) -> Starlette:
    """The ASGI application of the exchange, to be mounted at `EXCHANGE_PATH`."""
    expected = f"Bearer {exchange_token(cluster.key)}".encode()

    def answer_of(work: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            given = request.headers.get("authorization", "").encode("utf-8", "replace")
            if not hmac.compare_digest(given, expected):
                return Response(status_code=HTTPStatus.UNAUTHORIZED)
            try:
                name = checked_name(request.path_params["name"])
                return await work(exchange, name, request)
            except BlobMissing:
                return Response(status_code=HTTPStatus.NOT_FOUND)
            except ExchangeRefused as exc:
                log.warning("the exchange takes nothing", reason=str(exc))
                return Response(status_code=HTTPStatus.INSUFFICIENT_STORAGE)

        return answer

    put, get = answer_of(_put_result), answer_of(_get_reference)
    return Starlette(
        routes=[
            Route(f"/{Folder.RESULTS}/{{name}}", put, methods=["PUT"]),
            Route(f"/{Folder.REFERENCES}/{{name}}", get, methods=["GET"]),
        ]
    )


async def _put_result(exchange: DirectoryExchange, name: str, request: Request) -> Response:
    sealed = await request.body()
    if len(sealed) > MAX_BLOB_BYTES:
        return Response(status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    await run_in_threadpool(exchange.write, Folder.RESULTS, name, sealed)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _get_reference(exchange: DirectoryExchange, name: str, _request: Request) -> Response:
    sealed = await run_in_threadpool(exchange.read, Folder.REFERENCES, name)
    return Response(sealed, media_type=OCTETS)

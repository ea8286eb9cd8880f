"""The witness over HTTP (c2sp.org/tlog-witness), with health and metrics. Nobody signs in: a checkpoint's signature is
what entitles to an answer, and nothing that is answered is secret."""

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from deploy.witness.measures import MEDIA_TYPE
from deploy.witness.witness import Unable, Witness
from shared.audit.note import MAX_BYTES
from shared.audit.witness import Refused, Stale

MAX_BODY = MAX_BYTES + 4096


def create_app(witness: Witness) -> Starlette:
    """The application of one witness."""

    async def add(request: Request) -> Response:
        response = await _added(witness, request)
        witness.measures.answered(response.status_code)
        return response

    async def checkpoint(request: Request) -> Response:
        try:
            note = await run_in_threadpool(witness.held, request.path_params["origin"])
        except Unable as unable:
            return PlainTextResponse(f"{unable}\n", 503)
        return PlainTextResponse(note) if note else PlainTextResponse("no checkpoint of this log was cosigned\n", 404)

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(_: Request) -> Response:
        checks = witness.checks()
        ok = set(checks.values()) == {"ok"}
        return JSONResponse({"ok": ok, "checks": checks}, 200 if ok else 503)

    async def metrics(_: Request) -> Response:
        return Response(witness.measures.exposition(), media_type=MEDIA_TYPE)

    return Starlette(
        routes=[
            Route("/add-checkpoint", add, methods=["POST"]),
            Route("/checkpoint/{origin:path}", checkpoint),
            Route("/health/live", live),
            Route("/health/ready", ready),
            Route("/metrics", metrics),
        ]
    )


async def _added(witness: Witness, request: Request) -> Response:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            return PlainTextResponse(f"a request has at most {MAX_BODY} bytes\n", 413)
    try:
        return PlainTextResponse(await run_in_threadpool(witness.add, bytes(body)))
    except Stale as stale:
        # The type is written out: the specification allows no charset after it.
        return Response(f"{stale.size}\n", stale.status, {"content-type": "text/x.tlog.size"})
    except Refused as refused:
        return PlainTextResponse(f"{refused}\n", refused.status)
    except Unable as unable:
        return PlainTextResponse(f"{unable}\n", 503, {"retry-after": "1"})

"""The application: addresses to pages, resources and files, behind the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from verify import strict_json
from verify.serve import bundles, pages, stream
from verify.serve.catalogue import Catalogue
from verify.serve.guard import COOKIE, DEFAULTS, SANDBOX, Guard, policy
from verify.serve.refusal import Refusal, parsed, shown
from verify.serve.resources import Resources, encoded, keys_of
from verify.serve.runs import Logs, picture_of
from verify.serve.sessions import Opened, Sessions, Wanted

MOST_BODY = 4096
DAY = "private, max-age=86400, immutable"  # of a picture, whose address holds its digest
TYPES = {
    ".png": "image/png",
    ".html": "text/html; charset=utf-8",
}
PLAIN = (".txt", ".md", ".json", ".jsonl", ".xml", ".sarif", ".sha256")
Handler = Callable[[Request], Awaitable[Response]]


def application(catalogue: Catalogue, guard: Guard, sessions: Sessions | None = None) -> ASGIApp:
    """Everything under a folder; the sampling sessions end with the server."""
    resources = Resources(catalogue, Logs(), sessions or Sessions())
    studio = _Studio(resources, guard)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await run_sync(resources.sessions.close)

    return _Guarded(Starlette(routes=studio.routes(), lifespan=lifespan), guard)


class _Guarded:
    """The guard before, and the headers of every answer after."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app, self._guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            self._guard.admit(scope)
        except Refusal as refusal:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await _answer(scope, refusal)(scope, receive, _with_headers(send))
            return
        await self._app(scope, receive, _with_headers(send))


def _with_headers(send: Send) -> Send:
    """Every answer carries the headers of the guard, also one that no page made."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            found = MutableHeaders(scope=message)
            for name, value in DEFAULTS.items():
                found.setdefault(name, value)
        await send(message)

    return sent


def _answer(scope: Scope, refusal: Refusal) -> Response:
    """A refusal as JSON or, for a browser that shows pages, as one; 401 leads to the form."""
    headers = dict(scope["headers"])
    wants_page = b"text/html" in headers.get(b"accept", b"") and not scope["path"].startswith(
        "/api"
    )
    if wants_page and refusal.status == 401:
        return RedirectResponse("/login", status_code=303)
    if wants_page:
        return _page(pages.refused(refusal), scope, refusal.status)
    return _json(encoded({"error": refusal.body()}), refusal.status)


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")


def _page(body: bytes, scope: Scope, status: int = 200) -> Response:
    found = Response(body, status, media_type="text/html; charset=utf-8")
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    found.headers["Content-Security-Policy"] = policy(hosts)
    return found


def _query(request: Request) -> str:
    return bytes(request.scope["query_string"]).decode("latin-1")


def _said(handler: Callable[[Request], Awaitable[Response]]) -> Handler:
    """Refusals are answers, not errors."""

    async def handled(request: Request) -> Response:
        try:
            return await handler(request)
        except Refusal as refusal:
            return _answer(request.scope, refusal)

    return handled


class _Studio:
    def __init__(self, resources: Resources, guard: Guard) -> None:
        self._resources, self._guard = resources, guard

    def routes(self) -> list[Any]:
        """All addresses."""
        shown_pages: dict[str, Callable[..., bytes]] = {
            "/": pages.home, "/bundles": pages.bundles, "/trends": pages.trends,
            "/claims": pages.claim_page, "/runs": pages.runs, "/sampling": pages.sampling,
            "/bundles/{slug}": pages.bundle, "/runs/{slug}": pages.run,
        }  # fmt: skip
        page_routes = [Route(path, _said(self._shows(make))) for path, make in shown_pages.items()]
        return [
            *page_routes,
            Route("/style.css", _said(self._style)),
            Route("/serve.js", _said(self._script)),
            Route("/login", _said(self._login), methods=["GET", "POST"]),
            Route("/runs/{slug}/part", _said(self._part)),
            Route("/runs/{slug}/samples/{name}", _said(self._picture)),
            Route("/bundles/{slug}/{name:path}", _said(self._file)),
            Route("/api/sessions", _said(self._open), methods=["POST"]),
            Route("/api/sessions/{slug}", _said(self._delete), methods=["DELETE"]),
            Route("/api/sessions/{slug}/steps", _said(self._step), methods=["POST"]),
            Route("/api/sessions/{slug}/steps/{number}.png", _said(self._drawn)),
            Route("/api/{path:path}", _said(self._resource)),
            WebSocketRoute("/ws", self._socket),
            Route("/{path:path}", _said(_nothing)),
        ]

    def _shows(self, make: Callable[..., bytes]) -> Handler:
        async def show(request: Request) -> Response:
            names = [str(value) for value in request.path_params.values()]
            query = _query(request)
            body = await run_sync(lambda: make(self._resources, *names, query))
            return _page(body, request.scope)

        return show

    async def _part(self, request: Request) -> Response:
        slug, query = request.path_params["slug"], _query(request)
        body = await run_sync(lambda: pages.run(self._resources, slug, query, part="live"))
        return _page(body, request.scope)

    async def _resource(self, request: Request) -> Response:
        path = request.path_params["path"]
        return _json(await run_sync(self._resources.body, path, _query(request)))

    async def _style(self, request: Request) -> Response:
        return Response(pages.style(), media_type="text/css")

    async def _script(self, request: Request) -> Response:
        return Response(pages.script(), media_type="text/javascript")

    async def _login(self, request: Request) -> Response:
        wrong = False
        if request.method == "POST":
            body = (await _body(request)).decode("utf-8", "replace")
            wrong = not self._guard.knows(parse_qs(body, max_num_fields=4).get("token", [""])[0])
            if not wrong:
                answer = RedirectResponse("/", status_code=303)
                answer.set_cookie(COOKIE, self._guard.session, httponly=True, samesite="strict")
                return answer
        return _page(pages.login(wrong), request.scope, 403 if wrong else 200)

    async def _picture(self, request: Request) -> Response:
        _keys(request, "v")
        slug, name = request.path_params["slug"], request.path_params["name"]

        def made() -> bytes:
            place = self._resources.one_run(slug)
            return picture_of(place, self._resources.logs.pictures(place)[0], name)

        return _png(await run_sync(made), DAY)

    async def _file(self, request: Request) -> Response:
        _keys(request)
        slug, name = request.path_params["slug"], request.path_params["name"]
        data = await run_sync(lambda: bundles.file_of(self._resources.one_bundle(slug), name))
        suffix = name[name.rfind(".") :]
        other = "text/plain; charset=utf-8" if suffix in PLAIN else "application/octet-stream"
        answer = Response(data, media_type=TYPES.get(suffix, other))
        answer.headers["Content-Security-Policy"] = SANDBOX
        return answer

    async def _open(self, request: Request) -> Response:
        asked = parsed(Opened, await _object(request), "body")
        sessions, place = self._resources.sessions, self._resources.one_run(asked.run)
        session = await run_sync(lambda: sessions.open(asked.run, place.path))
        return _json(encoded(session.view()), 201)

    async def _step(self, request: Request) -> Response:
        session = self._resources.sessions.one(request.path_params["slug"])
        wanted = parsed(Wanted, await _object(request), "body")
        return _json(encoded(await run_sync(session.step, wanted)), 201)

    async def _delete(self, request: Request) -> Response:
        await run_sync(self._resources.sessions.delete, request.path_params["slug"])
        return Response(status_code=204)

    async def _drawn(self, request: Request) -> Response:
        session = self._resources.sessions.one(request.path_params["slug"])
        return _png(session.picture(request.path_params["number"]), DAY)

    async def _socket(self, socket: WebSocket) -> None:
        await stream.serve(socket, self._resources)


async def _nothing(request: Request) -> Response:
    raise Refusal(404, "address", found=shown(request.url.path), expected="a page; / has links")


def _png(data: bytes, cached: str) -> Response:
    answer = Response(data, media_type="image/png")
    answer.headers["Cache-Control"] = cached
    return answer


def _keys(request: Request, *names: str) -> None:
    odd = set(keys_of(_query(request))) - set(names)
    if odd:
        raise Refusal(400, "query", found=shown(min(odd)), expected=", ".join(names) or "no keys")


async def _body(request: Request) -> bytes:
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > MOST_BODY:
            raise Refusal(413, "body", found="more", expected=f"at most {MOST_BODY} bytes")
    return data


async def _object(request: Request) -> dict[str, Any]:
    try:
        found = strict_json.loads(await _body(request))
    except ValueError:
        raise Refusal(400, "body", found="no JSON", expected="an object") from None
    if not isinstance(found, dict):
        raise Refusal(400, "body", found=type(found).__name__, expected="an object")
    return found

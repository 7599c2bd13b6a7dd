"""The websocket: every resource of the API in pieces, once or again whenever it has changed.

A client sends `{"id": TEXT, "get": ADDRESS}` or `{"id": TEXT, "follow": ADDRESS}`. The answer is
any number of `{"type": "frames", "id", "number", "text"}` whose texts, one after the other, are
byte for byte what HTTP answers, then `{"type": "complete", "id", "frames", "sha256"}`; or
`{"type": "error"}`. No message is larger than `MOST_BYTES`. To follow is for
`/api/runs/NAME/live?after=STEP`: an answer whenever the run has a new window or another state, each
after the last window of the one before.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Any

import anyio
from anyio.to_thread import run_sync
from pydantic import BaseModel, ConfigDict, Field
from starlette.websockets import WebSocket, WebSocketDisconnect

from verify import strict_json
from verify.serve.refusal import Refusal, parsed, shown
from verify.serve.resources import Resources, encoded

MOST_BYTES = 1 << 16  # of a message to the client
# Printable ASCII takes at most two bytes in JSON; the rest of a message takes less than 1,024.
PIECE = (MOST_BYTES - 1024) // 2
LONGEST = 4096  # of a message from the client
MOST_FOLLOWED = 8
LOOK_S = 0.5
API = "/api/"


class Wish(BaseModel):
    """What a client sends: one of `get` and `follow`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Annotated[str, Field(max_length=64)]
    get: Annotated[str, Field(max_length=2048)] | None = None
    follow: Annotated[str, Field(max_length=2048)] | None = None


def messages(name: str, body: bytes) -> Iterator[dict[str, Any]]:
    """A body as frames and their end."""
    text = body.decode("ascii")
    pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
    for number, piece in enumerate(pieces):
        yield {"type": "frames", "id": name, "number": number, "text": piece}
    digest = hashlib.sha256(body).hexdigest()
    yield {"type": "complete", "id": name, "frames": len(pieces), "sha256": digest}


async def serve(socket: WebSocket, resources: Resources) -> None:
    """One client, until it goes."""
    await socket.accept()
    client = _Client(socket, resources)
    try:
        async with anyio.create_task_group() as tasks:
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    break
                await client.answer(message.get("text"), tasks)
            tasks.cancel_scope.cancel()
    except* (WebSocketDisconnect, RuntimeError, OSError):
        pass  # it went while something was sent


class _Client:
    def __init__(self, socket: WebSocket, resources: Resources) -> None:
        self._socket, self._resources = socket, resources
        self._sending = asyncio.Lock()
        self._followed: set[str] = set()

    async def answer(self, text: str | None, tasks: anyio.abc.TaskGroup) -> None:
        """One message of the client."""
        name = ""
        try:
            wish = _wish(text)
            name = wish.id
            if wish.get is not None:
                await self._send(name, await self._body(wish.get))
            else:
                self._require_room(name)
                tasks.start_soon(self._follow, name, str(wish.follow))
        except Refusal as refusal:
            await self._refuse(name, refusal)

    def _require_room(self, name: str) -> None:
        if name in self._followed or len(self._followed) >= MOST_FOLLOWED:
            raise Refusal(
                409, "follow", found=f"{len(self._followed)} followed, {shown(name)}",
                expected=f"at most {MOST_FOLLOWED}, each under an id of its own",
            )  # fmt: skip
        self._followed.add(name)

    async def _follow(self, name: str, address: str) -> None:
        try:
            path, _, query = address.partition("?")
            if not path.endswith("/live"):
                raise Refusal(
                    400, "follow", found=shown(path), expected="/api/runs/NAME/live?after=STEP"
                )
            seen = b""
            while True:
                body = await self._body(f"{path}?{query}")
                found = json.loads(body)
                state = encoded([found["run"], found["next"], found["problem"]])
                if state != seen:
                    await self._send(name, body)
                    seen, query = state, f"after={found['next']}"
                await anyio.sleep(LOOK_S)
        except Refusal as refusal:
            self._followed.discard(name)
            await self._refuse(name, refusal)

    async def _body(self, address: str) -> bytes:
        path, _, query = address.partition("?")
        if not path.startswith(API):
            raise Refusal(400, "address", found=shown(path), expected=f"one below {API}")
        return await run_sync(self._resources.body, path.removeprefix(API), query)

    async def _send(self, name: str, body: bytes) -> None:
        async with self._sending:  # the frames of two answers do not mix
            for message in messages(name, body):
                await self._socket.send_text(encoded(message).decode("ascii"))

    async def _refuse(self, name: str, refusal: Refusal) -> None:
        async with self._sending:
            message = {"type": "error", "id": name, **refusal.body()}
            await self._socket.send_text(encoded(message).decode("ascii"))


def _wish(text: str | None) -> Wish:
    if text is None or len(text) > LONGEST:
        raise Refusal(400, "message", found="no short text", expected="JSON")
    try:
        found = strict_json.loads(text)
    except ValueError:
        raise Refusal(400, "message", found=shown(text), expected="JSON") from None
    if not isinstance(found, dict):
        raise Refusal(400, "message", found=shown(text), expected="an object")
    wish = parsed(Wish, found, "message")
    if (wish.get is None) == (wish.follow is None):
        raise Refusal(400, "message", found=shown(text), expected="one of get and follow")
    return wish

"""A folder with bundles and a run, secrets around it, and the studio over it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient

from tests.verify.conftest import Finished
from verify.serve.app import application
from verify.serve.catalogue import Catalogue
from verify.serve.guard import Guard
from verify.serve.sessions import Sessions

HOST = "127.0.0.1:8765"
TOKEN = "the-token-of-the-tests-0123456789"
SECRET = "hush-hush-5f2c"
Headers = Sequence[tuple[bytes, bytes]]


def png(width: int = 36, height: int = 70) -> bytes:
    """A black picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    rows = b"".join(b"\0" + bytes(width) for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def row(step: int, **more: Any) -> dict[str, Any]:
    """A row of a metric log."""
    return {
        "step": step, "steps": 25, "loss": 3.0, "field/0.02": 1.0 / step, "field/0.2": 2.0 / step,
        "spread": 0.9, "overlap": 0.8, "grad_norm": 1.5, "alarms": [], **more,
    }  # fmt: skip


def picture(step: int, data: bytes, *, best: bool = False, **more: Any) -> dict[str, Any]:
    """A row of an index of samples."""
    return {
        "schema": "drift-sample-index/1", "step": step, "file": f"step-{step:08d}.png",
        "sha256": hashlib.sha256(data).hexdigest(), "figure": "field/0.2", "value": 2.0 / step,
        "tags": ["every_window", *(["best_so_far"] if best else [])], "classes": [0, 1],
        "class_names": ["nought", "one"], "per_class": 1, "width": 36, "height": 70,
        "shows": "images", "seed": 0, "alpha": 1.0, "ema_decay": 0.98, **more,
    }  # fmt: skip


def lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """A file of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")


def record(folder: Path, **facts: Any) -> None:
    """A run's record."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {
        "schema": "drift-run/1", "status": "running", "pid": os.getpid(), "step": 50, "total": 100,
        "seed": 0, "started": "2026-01-01T00:00:00Z", "updated": "2999-01-01T00:00:00Z",
        "latest_checkpoint": 50, "throughput": {"images_per_s": 12.5},
        "gates": {"fidelity": "free"}, "api_key": SECRET,
        "environment": {"device": "cpu", "token": SECRET}, **facts,
    }  # fmt: skip
    (folder / "run_metadata.json").write_text(json.dumps(whole), encoding="utf-8")


@dataclass(frozen=True)
class Studio:
    """What is served, and how to ask it."""

    root: Path
    app: Any
    client: TestClient

    @property
    def bundle(self) -> str:
        """The name of the bundle in addresses."""
        return str(self.client.get("/api/bundles").json()["items"][0]["slug"])

    @property
    def run(self) -> str:
        """The name of the run in addresses."""
        return str(self.client.get("/api/runs?q=digits").json()["items"][0]["slug"])


def studio_over(root: Path, guard: Guard, sessions: Sessions | None = None) -> Studio:
    """The application over a folder, looked at anew for each request."""
    app = application(Catalogue(root, rest_s=0), guard, sessions)
    return Studio(root, app, TestClient(app, base_url=f"http://{HOST}", follow_redirects=False))


@pytest.fixture
def root(sealed: Finished, tmp_path: Path) -> Path:
    """Reports and runs; beside them, and in them where nobody should look, secrets."""
    served = tmp_path / "served"
    shutil.copytree(sealed.bundle, served / "reports" / sealed.bundle.name)
    run = served / "runs" / "digits"
    record(run)
    lines(run / "metrics/windows.jsonl", [row(25, alarms=["apart: 2% near"]), row(50)])
    for step in (25, 50):
        (run / "samples").mkdir(exist_ok=True)
        (run / f"samples/step-{step:08d}.png").write_bytes(png())
    lines(run / "samples/index.jsonl", [picture(25, png(), best=True), picture(50, png())])
    for place in (tmp_path / "secret.txt", served / "secret.txt", run / ".env"):
        place.write_text(SECRET, encoding="utf-8")
    return served


@pytest.fixture
def studio(root: Path) -> Iterator[Studio]:
    """Without a token, as on one's own machine."""
    found = studio_over(root, Guard(), Sessions(lambda: None))
    with found.client:
        yield found


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(
    app: Any,
    target: bytes,
    *,
    method: str = "GET",
    headers: Headers | None = None,
    body: bytes = b"",
) -> Answer:
    """A request with this very target, which no client has tidied up."""
    path, _, query = target.partition(b"?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": unquote(path.decode("latin-1")), "raw_path": path,
        "query_string": query, "root_path": "", "client": ("127.0.0.1", 5), "server": None,
        "headers": [(b"host", HOST.encode())] if headers is None else list(headers),
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    found = {k.decode().lower(): v.decode("latin-1") for k, v in sent[0]["headers"]}
    return Answer(sent[0]["status"], found, b"".join(one.get("body", b"") for one in sent[1:]))

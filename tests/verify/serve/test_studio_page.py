"""Every command of docs/studio.md, against a server that the first of them starts."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs/studio.md").read_text(encoding="utf-8")
SHELL = [line for block in re.findall(r"^```sh\n(.*?)^```", TEXT, re.M | re.S)
         for line in block.splitlines()]  # fmt: skip
PYTHON = re.findall(r"^```python\n(.*?)^```", TEXT, re.M | re.S)
PORT = "8765"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server of the page, on a port that is free."""
    [command] = [line for line in SHELL if line.startswith("verify serve")]
    words = [*shlex.split(command)[1:-1], "0"]
    assert command.endswith(f" --port {PORT}")
    server = subprocess.Popen(
        [sys.executable, "-m", "verify", *words], cwd=tmp_path_factory.mktemp("here"),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert server.stdout is not None
    said = [server.stdout.readline() for _ in range(2)]
    found = re.search(r"http://127\.0\.0\.1:(\d+)/", said[1])
    assert found, said
    yield found[1]
    server.send_signal(signal.SIGINT)
    rest, _ = server.communicate()
    assert "Traceback" not in rest
    assert server.returncode == 0


def test_the_page_installs_an_extra_that_there_is() -> None:
    [install] = [line for line in SHELL if line.startswith("pip install")]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert install == "pip install 'drift-verify[serve]'"
    assert any(one.startswith("starlette") for one in extras["serve"])


@pytest.mark.parametrize("line", [line for line in SHELL if line.startswith("curl")])
def test_its_requests_are_answered(port: str, line: str) -> None:
    done = subprocess.run(["bash", "-c", line.replace(PORT, port)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("{")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /api/../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"y" * 40_000 + b"\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        b"POST /api/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_request_of_http_is_refused_by_the_server_itself(port: str, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", int(port))) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert re.match(rb"HTTP/1\.1 4\d\d |$", answer), answer
    assert b"Traceback" not in answer
    assert b"root:" not in answer


def test_its_program_reads_the_socket(port: str) -> None:
    [text] = PYTHON
    done = subprocess.run(
        [sys.executable, "-c", text.replace(PORT, port)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0 bundles\n"


def test_nothing_else_is_a_command() -> None:
    known = ("pip install", "verify serve", "curl -sf ")
    assert [line for line in SHELL if not line.startswith(known)] == []
    assert len([line for line in SHELL if line.startswith("curl")]) >= 4

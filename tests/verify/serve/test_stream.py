"""The websocket: the same bytes as HTTP, in messages under a cap; new windows as they come."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.websockets import WebSocketDisconnect

from verify.serve.stream import MOST_BYTES, MOST_FOLLOWED, messages

from .conftest import HOST, Studio, lines, record, row


@contextmanager
def socket(studio: Studio, **headers: str) -> Iterator[Any]:
    with studio.client.websocket_connect("/ws", headers={"host": HOST, **headers}) as found:
        yield found


def answer(found: Any, name: str) -> tuple[bytes, list[dict[str, Any]]]:
    """(the body, the messages) of one answer."""
    read: list[dict[str, Any]] = []
    while not read or read[-1]["type"] == "frames":
        text = found.receive_text()
        assert len(text.encode()) <= MOST_BYTES
        read.append(json.loads(text))
    assert {one["id"] for one in read} == {name}
    return "".join(one["text"] for one in read if one["type"] == "frames").encode(), read


def test_every_resource_is_what_http_answers_byte_for_byte(studio: Studio) -> None:
    run, bundle = studio.run, studio.bundle
    lines(studio.root / "runs/digits/metrics/windows.jsonl",
          [row(step, note='"\\' * 20) for step in range(1, 600)])  # fmt: skip
    addresses = [
        "/api/", "/api/bundles", "/api/bundles?per=1&verdict=NO-GO", f"/api/bundles/{bundle}",
        f"/api/bundles/{bundle}/clauses?outcome=fail", f"/api/bundles/{bundle}/report",
        "/api/claims", "/api/trends", "/api/runs", f"/api/runs/{run}", f"/api/runs/{run}/windows",
        f"/api/runs/{run}/live?after=25", f"/api/runs/{run}/samples?tag=best_so_far",
    ]  # fmt: skip
    most = 0
    with socket(studio) as found:
        for number, address in enumerate(addresses):
            found.send_json({"id": str(number), "get": address})
            body, read = answer(found, str(number))
            assert read[-1]["type"] == "complete", address
            assert body == studio.client.get(address).content, address
            assert read[-1]["sha256"] == hashlib.sha256(body).hexdigest()
            assert [one["number"] for one in read[:-1]] == list(range(read[-1]["frames"]))
            most = max(most, read[-1]["frames"])
    assert most > 3


@pytest.mark.parametrize("body", [b"", b'"' * 200_000, b"\\" * 31_000, b"{}"])
def test_no_message_is_larger_than_the_cap_whatever_is_in_it(body: bytes) -> None:
    read = list(messages("x" * 64, body))
    assert all(len(json.dumps(one)) <= MOST_BYTES for one in read)
    assert "".join(one.get("text", "") for one in read).encode() == body


def test_a_new_window_and_another_state_are_pushed(studio: Studio) -> None:
    run, log = studio.run, studio.root / "runs/digits/metrics/windows.jsonl"
    with socket(studio) as found:
        found.send_json({"id": "f", "follow": f"/api/runs/{run}/live?after=25"})
        first = json.loads(answer(found, "f")[0])
        assert [one["step"] for one in first["windows"]] == [50]
        with log.open("a") as stream:
            stream.write(json.dumps(row(75)) + "\n")
        second = json.loads(answer(found, "f")[0])
        assert [one["step"] for one in second["windows"]] == [75]
        record(studio.root / "runs/digits", status="completed")
        third = json.loads(answer(found, "f")[0])
        assert (third["run"]["state"], third["windows"]) == ("completed", [])


@pytest.mark.parametrize(
    ("sent", "place"),
    [
        ("", "message"),
        ("{", "message"),
        ("[]", "message"),
        ("null", "message"),
        ('{"id": "a"}', "message"),
        ('{"id": 1, "get": "/api/"}', "message"),
        ('{"id": "a", "get": "/api/", "follow": "/api/"}', "message"),
        ('{"id": "a", "get": "/api/", "more": 1}', "message"),
        ('{"id": "a", "id": "b", "get": "/api/"}', "message"),
        (json.dumps({"id": "a" * 65, "get": "/api/"}), "message"),
        (json.dumps({"id": "a", "get": "/api/" + "x" * 3000}), "message"),
        ("x" * 5000, "message"),
        ('{"id": "a", "get": "/api/nothing"}', "resource"),
        ('{"id": "a", "get": "/bundles"}', "address"),
        ('{"id": "a", "get": "/api/runs/../../etc"}', "resource"),
        ('{"id": "a", "get": "/api/bundles/..%2f..%2fetc"}', "bundle"),
        ('{"id": "a", "get": "/api/bundles?page=0"}', "query"),
        ('{"id": "a", "follow": "/api/bundles"}', "follow"),
        ('{"id": "a", "follow": "/api/runs/none/live"}', "run"),
        ("[" * 3000, "message"),
    ],
)
def test_what_cannot_be_answered_is_an_error_and_the_socket_goes_on(
    studio: Studio, sent: str, place: str
) -> None:
    with socket(studio) as found:
        found.send_text(sent)
        told = json.loads(found.receive_text())
        assert (told["type"], told["place"]) == ("error", place)
        found.send_json({"id": "b", "get": "/api/"})
        assert answer(found, "b")[1][-1]["type"] == "complete"


def test_bytes_and_too_many_followed_are_refused(studio: Studio) -> None:
    with socket(studio) as found:
        found.send_bytes(b"\xff")
        assert json.loads(found.receive_text())["type"] == "error"
        for number in range(MOST_FOLLOWED):
            found.send_json({"id": str(number), "follow": f"/api/runs/{studio.run}/live"})
            answer(found, str(number))
        found.send_json({"id": "0", "follow": f"/api/runs/{studio.run}/live"})
        assert json.loads(found.receive_text())["place"] == "follow"


@pytest.mark.parametrize("headers", [
    {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:1"},
    {"host": "evil.example"}, {"host": "evil.example:8765"}, {"sec-fetch-site": "cross-site"},
])  # fmt: skip
def test_a_socket_of_another_page_is_not_opened(studio: Studio, headers: dict[str, str]) -> None:
    with pytest.raises(WebSocketDisconnect), socket(studio, **headers):
        pass


def test_our_own_page_may_open_one(studio: Studio) -> None:
    with socket(studio, origin="http://127.0.0.1:8765") as found:
        found.send_json({"id": "a", "get": "/api/"})
        assert answer(found, "a")[1][-1]["type"] == "complete"

"""Requests of somebody who wants what is not his: refused, and nothing leaks."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.websockets import WebSocketDisconnect

from verify.serve.guard import Guard
from verify.serve.header import header_of
from verify.serve.sessions import Sessions

from .conftest import (
    HOST,
    SECRET,
    TOKEN,
    Answer,
    Headers,
    Studio,
    ask,
    lines,
    picture,
    png,
    record,
    row,
    studio_over,
)

Request = tuple[str, bytes, Headers | None, bytes]
OWN = (b"host", HOST.encode())
JSON = (b"content-type", b"application/json")
LEAKS = (SECRET, TOKEN, "Traceback", "root:x:", "/tmp/", "site-packages")

DOTS = (
    "../secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt", "%2e%2e%2fsecret.txt",
    "..%5csecret.txt", "..\\secret.txt", "....//secret.txt", "%252e%252e%252fsecret.txt",
    "..%c0%afsecret.txt", "..%00/secret.txt", "/etc/passwd", "%2fetc%2fpasswd", "//etc/passwd",
    "file:///etc/passwd", "./secret.txt", "~/secret.txt", "..;/secret.txt",
    "%u002e%u002e/secret.txt",
    "secret.txt%00.png", ".env", "../.env", "env.json", "commands.txt", "report.json/../env.json",
    "evidence.jsonl/", "manifest.sha256", "report.html%00", "REPORT.HTML", "report.json%20", "",
)  # fmt: skip
PREFIXES = ("/", "/bundles/{b}/", "/runs/{r}/samples/", "/api/bundles/", "/api/runs/", "/runs/")
QUERIES = (
    "page=0", "page=-1", "page=x", "page=1e3", "page=99999999999999999999", "per=0", "per=201",
    "per=1000000", "page=1&page=2", "path=/etc/passwd", "file=../secret.txt", "verdict=maybe",
    "q=" + "x" * 201, "x=" + "y" * 3000, "%ff=%fe", "=", "q=%00", "pack=" + "p" * 201,
    "&".join(f"a{n}=1" for n in range(40)), "__proto__=1", "page[]=1", "q[$ne]=1",
)  # fmt: skip
HOSTS = (
    None, b"", b"evil.example", b"evil.example:8765", b"127.0.0.1.evil.example", b"localhost.evil",
    b"127.0.0.1@evil.example", b"127.0.0.1:8765/", b"127.0.0.1:99999999", b"127.0.0.1 ", b"[::1",
    b"0.0.0.0", b"10.0.0.1", b"127.0.0.1\r\nX: y", b"\xff", b"127.0.0.1#", b"2130706433", b"0x7f.1",
    b"localhost:8765, evil.example", b"[::ffff:127.0.0.1]", b"127.1", b"a" * 300,
)  # fmt: skip
ORIGINS = (
    b"http://evil.example", b"null", b"", b"http://127.0.0.1", b"http://127.0.0.1:9999",
    b"http://localhost:8765", b"http://127.0.0.1:8765.evil.example", b"file://", b"https://127.0.0.1",
    b"http://127.0.0.1:8765/", b"HTTP://127.0.0.1:8765 ", b"chrome-extension://abc", b"\xff",
)  # fmt: skip
BODIES = (
    b"", b"{", b"[]", b"null", b'"x"', b"1", b"{}", b'{"run": 1}', b'{"run": null}', b"\xff\xfe",
    b'{"run": "../../etc"}', b'{"run": "none"}', b'{"run": "x", "more": 1}', 
    b'{"run": "' + b"x" * 5000,
    b'{"run": "x", "run": "y"}', b'{"run": NaN}', b"[" * 4000, b'{"__proto__": {}}', b"run=x",
)  # fmt: skip
METHODS = ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "POST", "PROPFIND", "get", "X")


def table(bundle: str = "B", run: str = "R") -> Iterator[Request]:
    """All of them; what they name is filled in."""
    for prefix in PREFIXES:
        for dots in DOTS:
            target = prefix.format(b=bundle, r=run) + dots
            if target not in (
                "/",
                "/api/bundles/",
                "/api/runs/",
                f"/bundles/{bundle}/manifest.sha256",
            ):
                yield "GET", target.encode(), [OWN], b""
    for query in QUERIES:
        yield "GET", b"/api/bundles?" + query.encode(), [OWN], b""
        yield "GET", b"/runs?" + query.encode(), [OWN], b""
    for host in HOSTS:
        yield "GET", b"/api/bundles", [] if host is None else [(b"host", host)], b""
    yield "GET", b"/api/bundles", [OWN, OWN], b""
    yield "GET", b"/api/bundles", [OWN, (b"x", b"y" * 20_000)], b""
    run_body = json.dumps({"run": run}).encode()
    for origin in ORIGINS:
        yield "POST", b"/api/sessions", [OWN, JSON, (b"origin", origin)], run_body
        yield "DELETE", b"/api/sessions/x", [OWN, JSON, (b"origin", origin)], b""
    for kind in (b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data", b""):
        yield "POST", b"/api/sessions", [OWN, (b"content-type", kind)], run_body
    for site in (b"cross-site", b"same-site"):
        yield "POST", b"/api/sessions", [OWN, JSON, (b"sec-fetch-site", site)], run_body
    for body in BODIES:
        yield "POST", b"/api/sessions", [OWN, JSON], body
        yield "POST", b"/api/sessions/x/steps", [OWN, JSON], body
    for method in METHODS:
        for target in (b"/api/bundles", b"/bundles/" + bundle.encode(), b"/style.css"):
            yield method, target, [OWN], b""
            yield method, target, [OWN, JSON, (b"origin", b"http://" + HOST.encode())], b""
    for target in (b"/" + b"a" * 2000, b"/api/" + b"a/" * 400, b"/%0d%0aSet-Cookie:x=y", b"/%7f",
                   b"/api/bundles/" + quote("<script>alert(1)</script>").encode(), b"/ws", b"/\xff",
                   b"/runs/" + b"%F0%9F%98%80" * 20, b"*", b"http://evil.example/"):  # fmt: skip
        yield "GET", target, [OWN], b""


REQUESTS = list(table())


def held(studio: Studio, answer: Answer) -> None:
    """Refused with a status of its own, the headers of every answer, and without a leak."""
    assert 400 <= answer.status < 500, answer
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "set-cookie" not in answer.headers
    text = answer.body.decode("utf-8", "replace") + str(answer.headers)
    assert not [leak for leak in (*LEAKS, str(studio.root)) if leak in text], text
    assert "<script>alert" not in text


def test_there_are_hundreds() -> None:
    assert len({(m, t, str(h), b) for m, t, h, b in REQUESTS}) == len(REQUESTS) > 300


def test_hostile_requests_are_refused_and_nothing_leaks(studio: Studio) -> None:
    requests = list(table(studio.bundle, studio.run))
    assert len(requests) == len(REQUESTS)
    for method, target, headers, body in requests:
        answer = ask(studio.app, target, method=method, headers=headers, body=body)
        try:
            held(studio, answer)
        except AssertionError as error:
            raise AssertionError(f"{method} {target!r} {headers} {body[:80]!r}") from error


def test_pages_of_errors_are_as_tight(studio: Studio) -> None:
    page = (b"accept", b"text/html,*/*")
    for target in (b"/<script>alert(1)</script>", b"/bundles/%3Cscript%3Ealert(1)%3C/script%3E",
                   b"/runs?q=1&q=2", b"/runs/x?class=../../etc"):  # fmt: skip
        answer = ask(studio.app, target, headers=[OWN, page])
        held(studio, answer)
        assert answer.headers["content-type"].startswith("text/html")


def test_what_a_hostile_bundle_names_stays_outside(studio: Studio) -> None:
    folder = next((studio.root / "reports").iterdir())
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    (folder / "link.txt").symlink_to(studio.root / "secret.txt")
    (folder / "deep").symlink_to(studio.root)
    names = ("../../secret.txt", "link.txt", "deep/secret.txt", str(studio.root / "secret.txt"))
    with (folder / "manifest.sha256").open("a") as stream:
        stream.write("".join(f"{digest}  {name}\n" for name in names))
    for name in names:
        answer = ask(studio.app, f"/bundles/{studio.bundle}/{name}".encode())
        held(studio, answer)


def test_what_a_hostile_run_links_to_is_not_read(studio: Studio) -> None:
    run, secret = studio.root / "runs/digits", studio.root / "secret.txt"
    targets = {"metrics/windows.jsonl": studio.root / "rows", "samples/step-00000025.png": secret,
               "template.json": studio.root / "template"}  # fmt: skip
    lines(targets["metrics/windows.jsonl"], [row(25, alarms=[SECRET])])
    targets["template.json"].write_text(json.dumps({"name": SECRET}))
    secret.write_bytes(png() + SECRET.encode())
    for name, target in targets.items():
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(target)
    lines(run / "samples/index.jsonl", [picture(25, secret.read_bytes())])
    held(studio, ask(studio.app, f"/runs/{studio.run}/samples/step-00000025.png".encode()))
    for address in (f"/runs/{studio.run}", f"/api/runs/{studio.run}/windows"):
        answer = ask(studio.app, address.encode())
        assert (answer.status, SECRET in answer.body.decode()) == (200, False)


def test_names_and_texts_with_markup_are_shown_as_text(studio: Studio) -> None:
    markup = "<img src=x onerror=alert(1)>"
    odd = studio.root / "runs" / os.fsdecode(f"{markup.replace('/', '')}\u2028".encode() + b"\xff")
    record(odd, status="failed", error=f"{markup}\x1b[31m")
    lines(odd / "metrics/windows.jsonl", [row(1, alarms=[markup], loss=markup)])
    shutil.copytree(next((studio.root / "reports").iterdir()), odd.parent / f"b{markup}")
    runs = studio.client.get("/api/runs").json()["items"]
    slug = next(one["slug"] for one in runs if one["state"] == "failed")
    for address in ("/", "/runs", "/bundles", f"/runs/{slug}", "/claims", "/sampling", "/trends"):
        text = studio.client.get(address).text
        assert "<img src=x" not in text, address
        assert "\x1b" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in studio.client.get(f"/runs/{slug}").text


@pytest.mark.parametrize("name", ["manifest.sha256", "run_metadata.json"])
def test_a_pipe_or_a_link_makes_no_bundle_and_no_run(tmp_path: Path, name: str) -> None:
    piped, linked = tmp_path / "piped", tmp_path / "linked"
    for folder in (piped, linked):
        folder.mkdir()
    os.mkfifo(piped / name)
    (tmp_path / "target").write_text("{}")
    (linked / name).symlink_to(tmp_path / "target")
    studio = studio_over(tmp_path, Guard())
    assert studio.client.get("/api/bundles").json()["total"] == 0
    assert studio.client.get("/api/runs").json()["total"] == 0


def test_a_report_that_is_a_pipe_does_not_hang_the_list(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "report.json")
    assert header_of(tmp_path).problem


def test_a_page_out_of_a_bundle_can_reach_nothing(studio: Studio) -> None:
    answer = ask(studio.app, f"/bundles/{studio.bundle}/report.html".encode())
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none'")
    assert "connect-src" not in policy
    assert "allow-same-origin" not in policy


FORMS = (b"", b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data",
         b"text/json", b"application/jsonp")  # fmt: skip


@pytest.mark.parametrize("kind", FORMS)
def test_what_a_form_of_another_page_can_send_changes_nothing(studio: Studio, kind: bytes) -> None:
    body = json.dumps({"run": studio.run}).encode()
    for method, target in (("POST", b"/api/sessions"), ("DELETE", b"/api/sessions/x")):
        answer = ask(
            studio.app, target, method=method, headers=[OWN, (b"content-type", kind)], body=body
        )
        assert answer.status == 403


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_page_of_another_origin_changes_nothing(studio: Studio, origin: bytes) -> None:
    body = json.dumps({"run": studio.run}).encode()
    headers = [OWN, JSON, (b"origin", origin)]
    assert (
        ask(studio.app, b"/api/sessions", method="POST", headers=headers, body=body).status == 403
    )


def test_an_own_page_may_ask_and_a_program_without_a_page_sends_json(studio: Studio) -> None:
    own = (b"origin", b"http://" + HOST.encode())
    for headers in ([OWN, own], [OWN, JSON], [OWN, own, JSON, (b"sec-fetch-site", b"same-origin")]):
        answer = ask(studio.app, b"/api/sessions", method="POST", headers=headers, body=b"{}")
        assert answer.status == 400  # it was read


# -- with a token ---------------------------------------------------------------------------------


@pytest.fixture
def closed(root: Path) -> Studio:
    return studio_over(root, Guard(TOKEN, frozenset({"studio.example"})), Sessions(lambda: None))


@pytest.mark.parametrize(
    "given",
    [
        [], [(b"authorization", b"Bearer")], [(b"authorization", b"Bearer x")],
        [(b"authorization", b"Basic " + TOKEN.encode())], [(b"authorization", TOKEN.encode())],
        [(b"authorization", b"Bearer " + TOKEN[:-1].encode())], [(b"x-token", TOKEN.encode())],
        [(b"authorization", b"Bearer \xff\xfe")], [(b"cookie", b"verify-serve=" + TOKEN.encode())],
        [(b"cookie", b"verify-serve=x; verify-serve=y")], [(b"cookie", b"\xff=;;;=")],
    ],
)  # fmt: skip
def test_without_the_token_nothing_is_answered(closed: Studio, given: Headers) -> None:
    for target in (b"/", b"/api/", b"/api/bundles", b"/bundles", b"/serve.js/../api/", b"/nothing",
                   b"/api/bundles?token=" + TOKEN.encode(), b"/login/../api/bundles"):  # fmt: skip
        answer = ask(closed.app, target, headers=[OWN, *given])
        assert answer.status == 401, target
        assert b"total" not in answer.body
        held(closed, answer)


def test_the_token_opens_by_header_and_by_form_and_is_in_no_answer(closed: Studio) -> None:
    bearer = {"authorization": f"Bearer {TOKEN}"}
    assert closed.client.get("/api/bundles", headers=bearer).json()["total"] == 1
    page = closed.client.get("/", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/login")
    own = {"origin": f"http://{HOST}"}
    wrong = closed.client.post("/login", data={"token": "no"}, headers=own)
    assert (wrong.status_code, "set-cookie" in wrong.headers) == (403, False)
    right = closed.client.post("/login", data={"token": TOKEN}, headers=own)
    assert right.status_code == 303
    cookie = right.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict"))
    assert TOKEN not in str(right.headers) + right.text + wrong.text
    assert closed.client.get("/api/bundles").json()["total"] == 1


def test_a_socket_needs_the_token_as_well(closed: Studio) -> None:
    with (
        pytest.raises(WebSocketDisconnect),
        closed.client.websocket_connect("/ws", headers={"host": HOST}),
    ):
        pass
    bearer = {"authorization": f"Bearer {TOKEN}", "host": HOST}
    with closed.client.websocket_connect("/ws", headers=bearer) as found:
        found.send_json({"id": "a", "get": "/api/"})
        assert json.loads(found.receive_text())["type"] == "frames"


@pytest.mark.parametrize(
    ("host", "status"),
    [("studio.example", 200), ("STUDIO.example:80", 200), ("192.168.0.9:8765", 200),
     ("[fe80::1]:8765", 200), ("evil.example", 421), ("192.168.0.9.evil.example", 421)],
)  # fmt: skip
def test_with_a_token_addresses_count_and_names_only_where_they_were_allowed(
    closed: Studio, host: str, status: int
) -> None:
    bearer = (b"authorization", b"Bearer " + TOKEN.encode())
    assert ask(closed.app, b"/api/", headers=[(b"host", host.encode()), bearer]).status == status

"""Before every request: who asks, by which name, from which page; and what every answer carries.

A page of another site that a browser shows may send requests to this machine, and by rebinding a
name of its own to 127.0.0.1 may even read the answers. So the Host header has to be a name of this
server, and what changes something or opens a websocket has to come from its own pages.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any

from verify.serve.refusal import Refusal, shown

COOKIE = "verify-serve"
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
READS = ("GET", "HEAD")
LONGEST_PATH = 1024
MOST_HEADERS = 16384
OPEN = ("/login", "/style.css", "/serve.js")  # what the page that asks for the token needs
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?")

# Of every answer, unless it states its own.
DEFAULTS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# Of what comes out of a bundle: a page of its own, which may neither ask nor reach this server.
SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Guard:
    """Whom this server answers.

    token    what a reader has to know, or None where only this machine is answered
    names    further names by which it may be called
    session  what a browser that knew the token is recognised by; never the token itself
    """

    token: str | None = None
    names: frozenset[str] = frozenset()
    session: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    def admit(self, scope: MutableMapping[str, Any]) -> None:
        """Raises Refusal for a request or a websocket that is not answered."""
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEADERS:
            raise Refusal(431, "headers", found="more", expected=f"at most {MOST_HEADERS} bytes")
        headers = _headers(scope)
        host = self._host(headers)
        if len(scope["path"]) > LONGEST_PATH or not scope["path"].isprintable():
            raise Refusal(
                400, "address", found=shown(scope["path"]), expected="a short and printable one"
            )
        reading = scope["type"] == "http" and scope["method"] in READS
        if not reading:
            _require_own_page(headers, host, scope["type"])
        if self.token is None or (scope["type"] == "http" and scope["path"] in OPEN):
            return
        if not (self.knows(_bearer(headers)) or _same(_cookie(headers), self.session)):
            raise Refusal(
                401, "token", found="none that counts", expected="the token of this server",
                remedy="open /login, or send Authorization: Bearer TOKEN",
            )  # fmt: skip

    def knows(self, text: str) -> bool:
        """Whether a text is the token, in a time that says nothing."""
        return self.token is not None and _same(text, self.token)

    def _host(self, headers: dict[str, list[str]]) -> str:
        """The Host header, where it names this server."""
        given = headers.get("host", [])
        found = _HOST.fullmatch(given[0]) if len(given) == 1 else None
        if found is None or not self._is_own(found[1].strip("[]").lower()):
            raise Refusal(
                421, "Host", found=shown(given[0] if given else "none"),
                expected="a name of this server", remedy="--allow-host NAME adds one",
            )  # fmt: skip
        return given[0]

    def _is_own(self, name: str) -> bool:
        """A local name or one that was allowed; with a token also any address, which is no name
        that somebody could point elsewhere."""
        return name in LOCAL | self.names or (self.token is not None and _is_address(name))


def policy(hosts: Sequence[bytes]) -> str:
    """The Content-Security-Policy of our own pages; some browsers want the websocket by name."""
    host = hosts[0].decode("latin-1") if len(hosts) == 1 else ""
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    return (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        f"connect-src 'self'{sockets}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _require_own_page(headers: dict[str, list[str]], host: str, kind: str) -> None:
    """A browser says from which page a request comes; a program that says none sends JSON."""
    origin = headers.get("origin", [])
    own = [f"{scheme}://{host}" for scheme in ("http", "https")]
    site = headers.get("sec-fetch-site", ["none"])
    if (origin and (len(origin) > 1 or origin[0] not in own)) or site[0] in (
        "cross-site",
        "same-site",
    ):
        raise Refusal(
            403, "Origin", found=shown(origin[0] if origin else site[0]),
            expected="a page of this server",
        )  # fmt: skip
    form = headers.get("content-type", [""])[0].partition(";")[0].strip().lower()
    if not origin and kind == "http" and form != "application/json":
        raise Refusal(
            403, "Origin", found="none", expected="one, or Content-Type: application/json"
        )


def _headers(scope: MutableMapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _bearer(headers: dict[str, list[str]]) -> str:
    kind, _, value = headers.get("authorization", [""])[0].partition(" ")
    return value.strip() if kind.lower() == "bearer" else ""


def _cookie(headers: dict[str, list[str]]) -> str:
    try:
        found = SimpleCookie("; ".join(headers.get("cookie", [])))
    except CookieError:
        return ""
    return found[COOKIE].value if COOKIE in found else ""


def _same(text: str, known: str) -> bool:
    return hmac.compare_digest(text.encode("utf-8", "replace"), known.encode())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True

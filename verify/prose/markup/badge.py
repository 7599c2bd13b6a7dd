"""What a badge shows, read from its address."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

_BADGE = re.compile(r"badge|shields", re.I)


def badge(address: str) -> str:
    """What a badge shows, as far as its address says so."""
    if not _BADGE.search(address):
        return ""
    parts = urlsplit(address)
    path = unquote(parts.path).rpartition("/badge/")[2].rpartition("/")[2]
    path = re.sub(r"\.(?:svg|png)$", "", path).replace("--", "\0").replace("__", "\1")
    fields = path.replace("_", " ").split("-")
    shown = " ".join(fields[:-1] if len(fields) > 1 else fields)
    asked = [value for name, value in parse_qsl(parts.query) if name in ("label", "message")]
    return " ".join([*asked, shown]).replace("\0", "-").replace("\1", "_").strip()

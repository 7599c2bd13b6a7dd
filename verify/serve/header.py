"""The head of a bundle's report: verdict and circumstances, without reading its clauses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from verify.serve.reading import read_from

REPORT = "report.json"
BLOCK, MOST = 1 << 16, 1 << 23
# `report.json` is indented by one space: a key of the top stands after a newline and one space.
END, VERDICT, ABOUT = b'\n "claims": ', '\n "verdict": ', '\n "about": '


class Header(BaseModel):
    """What a list shows of a bundle, as its report says it; `problem` where it cannot be read."""

    model_config = ConfigDict(frozen=True)

    word: str = ""
    line: str = ""
    clauses: int = 0
    failed: int = 0
    pack: str = ""
    subject: str = ""
    profile: str = ""
    seed: int | None = None
    started: str = ""
    finished: str = ""
    selectors: list[str] = []
    interrupted: bool = False
    verify: str = ""
    commit: str | None = None
    changed_files: int | None = None
    problem: str = ""


def header_of(bundle: Path) -> Header:
    """The head of a bundle's report; never raises for what a bundle holds."""
    try:
        text = _head(bundle / REPORT)
        verdict, about = _value(text, VERDICT), _value(text, ABOUT)
        repository = about.get("repository") or {}
        if not (verdict["line"] and about["started"]):
            raise ValueError("no verdict")
        return Header.model_validate({**repository, **about, **verdict})
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        return Header(problem=f"its report cannot be read ({_in_short(error)})")


def _head(path: Path) -> str:
    data = b""
    while END not in data and len(data) < MOST:
        block = read_from(path, len(data), BLOCK)
        if not block:
            break
        data += block
    return data.partition(END)[0].decode("utf-8")


def _value(text: str, key: str) -> dict[str, Any]:
    place = text.index(key) + len(key)
    found, _ = json.JSONDecoder().raw_decode(text, place)
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def _in_short(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return f"{error.error_count()} keys of another kind"
    return error.strerror or "no file" if isinstance(error, OSError) else type(error).__name__

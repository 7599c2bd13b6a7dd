"""A card held against the bundle it names: written again, and compared line by line.

What a person wrote is free, but must not hide what follows it: an element, a comment or an open
fence would take the waivers and limits off the page.
"""

from __future__ import annotations

import re
from itertools import zip_longest

from verify.card.render import GENERATED, SLOTS, Source, card, markers, stamp

LIMIT = 160  # characters of a line that are shown
_TAG = re.compile(r"<(?!https?://)[A-Za-z/!?]")
_OPENS = re.compile(r"(`{3,})[^`]*|(~{3,}).*")  # at the margin: within a list it ends elsewhere
_CLOSES = re.compile(r" {0,3}(`{3,}|~{3,})\s*")


def hands(text: str) -> dict[str, str]:
    """What a person wrote, by slot; a slot whose markers are damaged counts as empty."""
    found = {}
    for slot in SLOTS:
        first, last = markers(slot)
        head, opened, rest = f"\n{text}".partition(f"\n{first}\n")
        body, closed, _ = f"\n{rest}".partition(f"\n{last}")
        if opened and closed and body.strip():
            found[slot] = body.removeprefix("\n") + "\n"
        del head
    return found


def difference(text: str, source: Source) -> str | None:
    """Where a card is not what its bundle renders to, or None; the first line that differs."""
    if stamp(source) not in text.splitlines():
        kind = "another bundle or artefact" if GENERATED in text else "no bundle"
        return f"it names {kind}, not {source.bundle}"
    wanted = card(source, hands(text))
    if text == wanted:
        return None
    pairs = zip_longest(text.split("\n"), wanted.split("\n"))
    for line, (found, expected) in enumerate(pairs, start=1):
        if found != expected:
            return f"line {line}: found {_shown(found)}; expected {_shown(expected)}"
    raise AssertionError("texts that differ have a line that differs")


def hiding(text: str) -> str | None:
    """What in the hand-written parts could hide the generated ones, or None."""
    for slot, written in hands(text).items():
        fence = ""
        for line in written.split("\n"):
            opens, closes = _OPENS.fullmatch(line), _CLOSES.fullmatch(line)
            if fence:
                fence = "" if closes and closes[1].startswith(fence) else fence
            elif opens:
                fence = opens[1] or opens[2]
            elif _TAG.search(line) or "```" in line or "~~~" in line:
                return f"{slot}: found a tag, comment or fence in {_shown(line)}; expected words"
        if fence:
            return f"{slot}: found a fence {fence} that is not closed; expected it closed"
    return None


def _shown(line: str | None) -> str:
    if line is None:
        return "the end"
    return repr(line if len(line) <= LIMIT else f"{line[: LIMIT - 3]}...")

"""A card held against the bundle it names: written again, and compared line by line."""

from __future__ import annotations

from itertools import zip_longest

from verify.card.render import GENERATED, SLOTS, Source, card, markers, stamp

LIMIT = 160  # characters of a line that are shown


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


def _shown(line: str | None) -> str:
    if line is None:
        return "the end"
    return repr(line if len(line) <= LIMIT else f"{line[: LIMIT - 3]}...")

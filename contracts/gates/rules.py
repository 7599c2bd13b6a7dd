"""The gates of rules and of cards: a change that loosens, and a card that is not its bundle's."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from verify.api import CheckContext, Measurement, check, mutant
from verify.card import compare as cards
from verify.card.model import CardFile
from verify.card.render import Source, card
from verify.ratchet import judge
from verify.report.bundle import check as intact
from verify.spec.model import Decision

from .changes import commit, git
from .miniature import DECISION, Miniature, miniature, unsealed

CONTRACT, FACTS = "contracts/thing/contract.yaml", "specs/facts/thing.yaml"
LOOSER: dict[str, tuple[str, str, str, str]] = {  # file, text, what it becomes, what is said of it
    "a wider tolerance": (CONTRACT, "    value: 0.5", "    value: 0.9", "tolerance"),
    "a clause that is demoted": (CONTRACT, "severity: major", "severity: minor", "severity"),
    "a falsifier that is dropped": (
        CONTRACT, "  - thing.more\n", "  - thing.strict\n", "thing.more"),
    "a fact that changed": (FACTS, "value: 1.0", "value: 2.0", "value 1.0 -> 2.0"),
    "a gate that is no longer asked": (
        "contracts/policy/release.yaml", "THING-005", "THING-001", "THING-005"),
    "a lower floor": ("contracts/policy/promotion.yaml", "steps: 300", "steps: 30", "steps"),
    "a file that is no longer protected": (
        "contracts/policy/protected.yaml", "facts/*.yaml", "facts/none.yaml", "specs/facts"),
}  # fmt: skip


@check("gates.ratchet")
def ratchet(ctx: CheckContext) -> Measurement:
    """Rules loosened one by one, undecided and decided; and a change that loosens nothing."""
    with tempfile.TemporaryDirectory() as folder:
        pack = Miniature(Path(folder).resolve())
        unsealed(pack)
        git(pack.root, "init", "-q")
        base = commit(pack.root)
        for what, (path, old, new, said) in LOOSER.items():
            found = _after(pack, base, path, old, new)
            if not any(said in line for line in found):
                return ctx.decide(False, f"{what}: {found or 'open'}, expected {said}")
            decided = _after(pack, base, path, old, new, governs=path)
            if any(said in line for line in decided):
                return ctx.decide(False, f"{what}, decided: {decided}")
            elsewhere = _after(pack, base, path, old, new, governs="other.md")
            if not any(said in line for line in elsewhere):
                return ctx.decide(False, f"{what}, where something else was decided: open")
        stricter = _after(pack, base, CONTRACT, "    value: 0.5", "    value: 0.1")
    return ctx.decide(
        not stricter, f"{len(LOOSER)} looser rules; a stricter one: {stricter or 'open'}"
    )


def _after(
    pack: Miniature, base: str, path: str, old: str, new: str, *, governs: str = ""
) -> list[str]:
    """What the gate refuses of one commit on top of the base, which is then left again."""
    text = (pack.root / path).read_text(encoding="utf-8")
    if old not in text:
        raise ValueError(f"{path} holds no {old!r}")
    pack.write(path, text.replace(old, new))
    if governs:
        record = DECISION.replace("DEC-0001", "DEC-0002")
        pack.write("specs/decisions/DEC-0002.md", record.replace(FACTS, governs))
    head = commit(pack.root)
    found = judge.refused(pack.root, base, head)
    git(pack.root, "reset", "-q", "--hard", base)
    return found


@check("gates.card")
def model_card(ctx: CheckContext) -> Measurement:
    """A card as its bundle renders to, with a person's words, and edited in every line."""
    with miniature() as pack:
        (bundle,) = pack.reports("whole").iterdir()
        (other,) = pack.reports("foreign").iterdir()
        source, another = (_source(one) for one in (bundle, other))
    text = card(source, {"notes": "What a person wrote.\n"})
    problems = [
        what for what, good in {
            "a card as it is written": cards.difference(text, source) is None,
            "a card of another bundle": cards.difference(text, another) is not None,
            "words of a person": cards.hiding(text) is None,
        }.items() if not good
    ]  # fmt: skip
    lines = text.split("\n")
    for at, line in enumerate(lines):
        if line and line != "What a person wrote.":
            edited = "\n".join([*lines[:at], line + " x", *lines[at + 1 :]])
            if cards.difference(edited, source) is None:
                problems.append(f"an edit of line {at + 1}, {line[:60]!r}")
    for hidden in ("<details>", "<!-- no", "```", "~~~ text", "words <b>"):
        if cards.hiding(card(source, {"notes": f"{hidden}\n"})) is None:
            problems.append(f"notes that hide what follows by {hidden}")
    return ctx.decide(
        not problems, f"{len(lines)} lines of a card; {', '.join(problems) or 'held'}"
    )


def _source(bundle: Path) -> Source:
    file = {
        "schema": "verify/card/1", "title": "A thing", "licence": "Apache-2.0", "library": "thing",
        "task": "counting", "tags": ["counting"], "about": "It counts.",
        "training_data": "None.", "limits": ["It does not count to two."],
    }  # fmt: skip
    return Source(
        CardFile.model_validate_json(json.dumps(file)), bundle.name, bundle.name[-8:] * 8,
        intact(bundle), "m.safetensors", "ab" * 32, {"data": "digits"},
    )  # fmt: skip


@mutant("gates.ratchet_forgets")
def ratchet_forgets(subject: object, kind: str) -> AbstractContextManager[object]:
    """One kind of rule is not compared."""
    kept = tuple(one for one in judge.KINDS if one.__name__ != kind)
    return patch.object(judge, "KINDS", kept)


# What is looser needs nobody's decision.
LOOSER_IS_NEUTRAL = mutant("gates.looser_is_neutral", judge.Judged, refused=False)


@mutant("gates.any_fresh_decision")
def any_fresh_decision(subject: object) -> AbstractContextManager[object]:
    """A new decision decides everything, whatever it governs."""
    real = Decision.governs_file

    def governs(self: Any, path: str) -> bool:
        return real(self, path) or True

    return patch.object(Decision, "governs_file", governs)


@contextmanager
def _card_with(name: str, instead: Callable[..., Any]) -> Iterator[None]:
    with miniature(), patch.object(cards, name, instead):
        yield


@mutant("gates.any_card")
def any_card(subject: object) -> AbstractContextManager[object]:
    """A card counts that names its bundle, whatever it says."""
    return _card_with("card", lambda source, hand: _Anything())


class _Anything(str):
    """Equal to every text."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True


@mutant("gates.card_of_any_bundle")
def card_of_any_bundle(subject: object) -> AbstractContextManager[object]:
    """Which bundle a card names is not asked."""
    return _card_with("difference", lambda text, source: None)


@mutant("gates.notes_may_hide")
def notes_may_hide(subject: object) -> AbstractContextManager[object]:
    """What a person wrote may take the limits off the page."""
    return _card_with("hiding", lambda text: None)

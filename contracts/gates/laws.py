"""Gates tried on the miniature pack: each in cases in which it opens, and in which it must not.

What a gate says is compared by a part of its own words, so that it is shut for the right reason.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from drift import gates
from drift.config import Template, load_template
from verify.api import CheckContext, Measurement, check
from verify.guard import protect
from verify.problems import UsageError
from verify.spec.pack import load

from .changes import CHANGE, change
from .miniature import COLUMN, NEVER_RUN, RED, SOUND, TEMPLATE, UNCAUGHT, Miniature, miniature

OPEN = ""
FACTS = "specs/facts/thing.yaml"
Case = tuple[Callable[[Miniature], str], str]  # what is done -> what is heard of it


def told(ctx: CheckContext, cases: Mapping[str, Case], pack: Miniature) -> Measurement:
    """Every case done, and what was heard held against what it must be."""
    heard = {name: _hear(act, pack) for name, (act, _) in cases.items()}
    wrong = [name for name, (_, said) in cases.items() if not _as_said(heard[name], said)]
    reason = f"{len(cases) - len(wrong)} of {len(cases)} cases end as they must"
    if wrong:
        name = wrong[0]
        reason += f"; {name}: {heard[name] or 'open'!r}, expected {cases[name][1] or 'open'!r}"
    return ctx.decide(not wrong, reason, details={"wrong": wrong})


def _hear(act: Callable[[Miniature], str], pack: Miniature) -> str:
    """A gate that breaks is not open, and does not say why it is shut either."""
    try:
        return act(pack)
    except Exception as error:
        return f"raised {type(error).__name__}: {error}"


def _as_said(heard: str, said: str) -> bool:
    return said in heard if said else not heard


# -- a faithful run -------------------------------------------------------------------------------


@check("gates.faithful_run")
def faithful_run(ctx: CheckContext) -> Measurement:
    """The gate of a faithful run, asked through the real evidence of real runs."""
    with miniature() as pack, patch.object(gates, "RUNNING", pack.running):
        return told(ctx, FAITHFUL, pack)


@cache
def _shipped() -> Template:
    """The template that is asked for, read once: each case changes a copy, or nothing."""
    return load_template(TEMPLATE)


def _ask(pack: Miniature, kind: str, *wanted: str, **more: Any) -> str:
    """What a closed gate says; an open one is asked for the record that it owes."""
    template, asked = _shipped().model_copy(update=more), wanted or (SOUND, COLUMN)
    try:
        record = gates.require(
            template, reports=pack.reports(kind), pack=pack.root, selectors=asked
        )
    except gates.GateError as error:
        return str(error)
    found = record["gates"]
    bundles = [path.name for path in pack.reports(kind).iterdir()]
    whole = found["bundle"] in bundles and found["column"] == "L2" and "bypass" not in found
    return OPEN if whole and found["clauses"] == len(asked) else f"record {found}"


def _edited(relative: str) -> Callable[[Miniature], str]:
    def act(pack: Miniature) -> str:
        with pack.kept(relative):
            pack.append(relative)
            return _ask(pack, "real")

    return act


def _spoiled(name: str, old: str, new: str) -> Callable[[Miniature], str]:
    """A file of the bundle with a text replaced."""

    def act(pack: Miniature) -> str:
        (bundle,) = pack.reports("real").iterdir()
        place = bundle / name
        before = place.read_text(encoding="utf-8")
        assert old in before, f"{name} holds no {old}"
        place.write_text(before.replace(old, new), encoding="utf-8")
        try:
            return _ask(pack, "real")
        finally:
            place.write_text(before, encoding="utf-8")

    return act


def _bypassed(pack: Miniature) -> str:
    """A bypass starts the run, and says so in its record with what it went past."""
    record = gates.require(
        _shipped(), reports=pack.reports("none"), pack=pack.root,
        selectors=(SOUND,), bypass="a reason",
    )  # fmt: skip
    found = record["gates"]
    return f"{found.get('bypass')}, {len(found.get('open', ()))} open, tier {record.get('tier')}"


def _another_package(pack: Miniature) -> str:
    with patch.object(gates, "RUNNING", pack.root / "another"):
        return _ask(pack, "real")


def _unsound(pack: Miniature) -> str:
    with pack.kept(FACTS):
        pack.append(FACTS, "    facts: {}\n")
        return _ask(pack, "real")


def _departed(pack: Miniature) -> str:
    template = _shipped()
    generator = template.generator.model_copy(update={"depth": template.generator.depth + 1})
    return _ask(pack, "real", generator=generator)


FAITHFUL: Mapping[str, Case] = {
    "real evidence": (lambda pack: _ask(pack, "real"), OPEN),
    "real evidence of a whole run": (lambda pack: _ask(pack, "whole"), OPEN),
    "no evidence": (lambda pack: _ask(pack, "none"), "no bundle in"),
    "evidence before the code changed": (_edited("engine/__init__.py"), "is older than the code"),
    "evidence before a check changed": (_edited("contracts/thing/thing.py"), "older than the code"),
    "evidence before a rule changed": (
        _edited("contracts/thing/contract.yaml"), "is older than the pack"),
    "evidence about another subject": (
        lambda pack: _ask(pack, "foreign"), "is about the subject other, not thing"),
    "evidence of another part": (
        lambda pack: _ask(pack, "real", SOUND, NEVER_RUN), f"{NEVER_RUN} is unknown"),
    "a clause that failed": (lambda pack: _ask(pack, "real", SOUND, RED), f"{RED} is fail"),
    "a falsifier that survived": (
        lambda pack: _ask(pack, "real", SOUND, UNCAUGHT), f"{UNCAUGHT} survived its falsifier"),
    "falsifiers that were not tried": (
        lambda pack: _ask(pack, "unfalsified"), "did not all run"),
    "a report that was edited": (_spoiled("report.md", "NO-GO", "GO"), "is damaged"),
    "evidence that was edited": (
        _spoiled("evidence.jsonl", '"outcome":"fail"', '"outcome":"pass"'), "is damaged"),
    "a list of files that was edited": (_spoiled("manifest.sha256", "a", "b"), "is damaged"),
    "a template that departs": (_departed, "generator.depth"),
    "a template that names another column": (
        lambda pack: _ask(pack, "real", column="B2"), "B2"),
    "a pack about another package": (_another_package, "does not hold"),
    "a pack that is not sound": (_unsound, "the pack of this code"),
    "a bypass": (_bypassed, "a reason, 1 open, tier none"),
}  # fmt: skip


# -- files under protection -----------------------------------------------------------------------


@check("gates.protect")
def protection(ctx: CheckContext) -> Measurement:
    """Files under protection, approved, spoiled and approved wrongly."""
    with miniature() as pack:
        return told(ctx, PROTECTION, pack)


def _states(pack: Miniature) -> str:
    return _wrong(protect.guard_of(load(pack.root)))


def _wrong(guard: protect.Guard) -> str:
    good = protect.State.AS_APPROVED
    found = protect.check(guard)
    return "; ".join(f"{one.path} {one.state}" for one in found if one.state is not good)


def _changed(pack: Miniature) -> str:
    with pack.kept(FACTS):
        pack.append(FACTS)
        return _states(pack)


def _undecided(pack: Miniature) -> str:
    record = "specs/decisions/DEC-0001.md"
    with pack.kept(record):
        text = (pack.root / record).read_text(encoding="utf-8")
        pack.write(record, text.replace("status: accepted", "status: proposed"))
        return _states(pack)


def _unlisted(pack: Miniature) -> str:
    pack.data("specs/facts/new.yaml", {
        "schema": "verify/facts/1",
        "topics": {"new.one": {"title": "new", "facts": {"book": {"value": 1, "at": "p"}}}},
    })  # fmt: skip
    try:
        return _states(pack)
    finally:
        (pack.root / "specs/facts/new.yaml").unlink()


def _linked(pack: Miniature) -> str:
    """The same text, but it stands elsewhere, where nobody protects it."""
    place = pack.root / FACTS
    elsewhere = place.rename(pack.root / "elsewhere.yaml")
    place.symlink_to(elsewhere)
    try:
        return _states(pack)
    finally:
        elsewhere.rename(place)


def _gone(pack: Miniature) -> str:
    place = pack.root / FACTS
    guard = protect.guard_of(load(pack.root))
    elsewhere = place.rename(pack.root / "elsewhere.yaml")
    try:
        return _wrong(guard)
    finally:
        elsewhere.rename(place)


def _approved_by_another(pack: Miniature) -> str:
    """A decision that governs other files approves nothing here, and nothing is written."""
    record, digests = "specs/decisions/DEC-0001.md", "specs/protected.yaml"
    with pack.kept(record, FACTS, digests):
        text = (pack.root / record).read_text(encoding="utf-8")
        pack.write(record, text.replace("governs: [specs/facts/thing.yaml]", "governs: [other.md]"))
        pack.append(FACTS)
        before = (pack.root / digests).read_bytes()
        try:
            protect.approve(protect.guard_of(load(pack.root)), [FACTS], "DEC-0001")
        except UsageError as error:
            return str(error) if (pack.root / digests).read_bytes() == before else "it was written"
        return OPEN


def _approved_again(pack: Miniature) -> str:
    """A decision about the file approves what it holds now, and its digest stands once."""
    digests = "specs/protected.yaml"
    with pack.kept(FACTS, digests):
        pack.append(FACTS)
        protect.approve(protect.guard_of(load(pack.root)), [FACTS], "DEC-0001")
        times = (pack.root / digests).read_text(encoding="utf-8").count(FACTS)
        return _states(pack) or (OPEN if times == 1 else f"recorded {times} times")


def _recorded(*, path: str, times: int) -> Callable[[Miniature], str]:
    """A digest more than once, or of a file that no glob protects."""

    def act(pack: Miniature) -> str:
        digests = "specs/protected.yaml"
        one = {"path": path, "decision": "DEC-0001",
               "sha256": protect.digest_of(pack.root / path)}  # fmt: skip
        with pack.kept(digests):
            own = protect.guard_of(load(pack.root)).recorded
            kept = [each.model_dump() for each in own if each.path != path]
            pack.data(digests, {"schema": "verify/digests/1", "assets": [*kept, *[one] * times]})
            return _states(pack)

    return act


PROTECTION: Mapping[str, Case] = {
    "a file that is approved again": (_approved_again, OPEN),
    "a digest that is there twice": (_recorded(path=FACTS, times=2), f"{FACTS} listed twice"),
    "a digest of what nothing protects": (
        _recorded(path="version.py", times=1), "version.py unguarded"),
    "as approved": (_states, OPEN),
    "a file that changed": (_changed, f"{FACTS} changed"),
    "a file that nobody approved": (_unlisted, "specs/facts/new.yaml unlisted"),
    "a file that is a link": (_linked, f"{FACTS} not a file"),
    "a file that is gone": (_gone, f"{FACTS} missing"),
    "a decision that does not hold": (_undecided, f"{FACTS} undecided"),
    "a decision about something else": (_approved_by_another, "does not govern"),
}  # fmt: skip


# -- the frontier of a change ---------------------------------------------------------------------


@check("gates.frontier")
def frontier(ctx: CheckContext) -> Measurement:
    """One change in a repository of its own, with a path for each way to leave the frontier."""
    with tempfile.TemporaryDirectory() as folder:
        found = change(Path(folder).resolve())
    wrong = {path: found.get(path, "not seen") for path, side in CHANGE.items()
             if found.get(path) != side}  # fmt: skip
    reason = f"{len(CHANGE) - len(wrong)} of {len(CHANGE)} paths lie where they must; {wrong}"
    return ctx.decide(not wrong, reason)

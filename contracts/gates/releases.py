"""The gates of a release on the miniature pack: all open, and each alone in the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from verify.api import CheckContext, Measurement, check
from verify.release import decide, situation
from verify.run.results import Verdict
from verify.spec.pack import load

from .laws import FACTS, Case, told
from .miniature import Miniature, miniature

TODAY = date(2026, 1, 2)


@check("gates.release")
def release(ctx: CheckContext) -> Measurement:
    """Three gates of a release, each alone in the way and all open."""
    with miniature() as pack:
        return told(ctx, RELEASES, pack)


def _verdict(pack: Miniature, kind: str, *, signed: str = "1.0") -> str:
    """The word, the exit code, and the gates that are open."""
    pack.data("signed.yaml", {
        "schema": "verify/signatures/1",
        "signatures": [{"gate": "owner", "version": signed, "name": "somebody", "role": "owner",
                        "date": "2026-01-01", "what": "looked"}],
    })  # fmt: skip
    now = situation.gather(load(pack.root), pack.reports(kind), (), TODAY)
    found = decide.decide(now, _no_check)
    stand = [one.gate.id for one in found.results if one.open]
    return f"{found.word} {int(found.exit_code)} {' '.join(stand)}".strip()


def _no_check(*_: Any) -> Verdict:
    raise AssertionError("no gate of the miniature asks a check")


def _release_after(relative: str) -> Callable[[Miniature], str]:
    def act(pack: Miniature) -> str:
        with pack.kept(relative):
            pack.append(relative)
            return _verdict(pack, "whole")

    return act


def _release_of_spoiled(pack: Miniature) -> str:
    (bundle,) = pack.reports("whole").iterdir()
    place = bundle / "report.md"
    before = place.read_bytes()
    place.write_bytes(before + b"\n")
    try:
        return _verdict(pack, "whole")
    finally:
        place.write_bytes(before)


RELEASES: Mapping[str, Case] = {
    "all there": (lambda pack: _verdict(pack, "whole"), "GO 0"),
    "nobody signed for this version": (
        lambda pack: _verdict(pack, "whole", signed="0.9"), "CONDITIONAL-GO 3 owner"),
    "no evidence": (lambda pack: _verdict(pack, "none"), "NO-GO 3 clauses"),
    "evidence about another subject": (lambda pack: _verdict(pack, "foreign"), "NO-GO 3 clauses"),
    "falsifiers that were not tried": (
        lambda pack: _verdict(pack, "unfalsified"), "NO-GO 1 clauses"),
    "evidence before the code changed": (_release_after("engine/__init__.py"), "NO-GO 3 clauses"),
    "a bundle that was edited": (_release_of_spoiled, "NO-GO 4 clauses"),
    "a protected file that changed": (_release_after(FACTS), "NO-GO 4 clauses protected"),
}  # fmt: skip

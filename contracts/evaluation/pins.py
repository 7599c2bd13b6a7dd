"""Pinned digests: one in engine and contracts, the publisher's as far as it goes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from unittest.mock import patch

from drift.evaluate import extractors, records
from verify.api import CheckContext, Measurement, check, mutant


@check("evaluation.pinned_extractor")
def pinned_extractor(ctx: CheckContext) -> Measurement:
    """Every kind of extractor that has a digest has this one, which begins as the fact says."""
    stated = str(ctx.fact("torch_fidelity:evaluation.extractor_sha256"))
    wanted = ctx.params["extractor_sha256"]
    pinned = {name: kind.sha256 for name, kind in extractors.KINDS.items() if kind.sha256}
    others = {name: found for name, found in pinned.items() if found != wanted}
    if others or not pinned:
        return ctx.decide(False, f"the engine pins {others or 'nothing'}, the contract {wanted}")
    theirs, ours = set(ctx.params["statistics_sha256"]), set(records.PINNED_STATISTICS)
    if theirs != ours:
        return ctx.decide(
            False, f"statistics: the engine pins {sorted(ours)}, the contract {sorted(theirs)}"
        )
    good = wanted.startswith(stated)
    return ctx.decide(good, f"{len(pinned)} kinds pin {wanted[:12]}..., stated is {stated}...")


def _pinning(digest: str) -> AbstractContextManager[object]:
    kinds = {
        name: replace(kind, sha256=digest) if kind.sha256 else kind
        for name, kind in extractors.KINDS.items()
    }
    return patch.object(extractors, "KINDS", kinds)


@mutant("evaluation.other_weights_pinned")
def other_weights_pinned(subject: object) -> AbstractContextManager[object]:
    """The digest is that of torchvision's ImageNet weights, as its file name carries it."""
    return _pinning("1a9a5a14" + "0" * 56)


@mutant("evaluation.same_first_digits_pinned")
def same_first_digits_pinned(subject: object) -> AbstractContextManager[object]:
    """A digest that was typed by hand after the eight digits of the file's name."""
    return _pinning("6726825d" + "0" * 56)


OTHER_VALUES = (
    # The engine counts statistics as the release's that the contracts do not.
    mutant("evaluation.own_statistics_pinned", records, PINNED_STATISTICS=frozenset({"a" * 64})),
)

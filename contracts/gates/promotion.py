"""The gate of promoted runs: one record that may be promoted, and each way to spoil it alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any
from unittest.mock import patch

import yaml

from verify.api import CheckContext, Measurement, check, mutant
from verify.promotion import judge
from verify.promotion.record import Draft, exit_code, read_draft
from verify.report.bundle import MANIFEST
from verify.report.bundle import check as intact
from verify.spec.pack import load

from .miniature import Miniature, miniature

Change = Callable[[dict[str, Any]], object]
MODEL = b"packed"
# The processes that compute a score again cost seconds, and say the same of each record.
NOT_COMPUTED: Mapping[str, Any] = dict.fromkeys(("recompute", "judged_again"), lambda *_: [])
# As if a key of the pack had signed each evaluation; that none has is judged apart.
SIGNED: Mapping[str, Any] = {"shortfall": lambda *_: ""}


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Scene:
    """A run folder beside the miniature pack, and the record of it."""

    def __init__(self, pack: Miniature) -> None:
        self.pack, self.folder = pack, pack.root.parent / "run"
        self.folder.mkdir()
        (self.folder / "model.bin").write_bytes(MODEL)
        self.loaded, self.reports = load(pack.root), pack.reports("whole")
        (bundle,) = self.reports.iterdir()
        self.data: dict[str, Any] = {
            "schema": "verify/promoted-run/1", "run": "small-a", "track": "small",
            "snapshot": {"code": intact(bundle).about["digests"]["code"],
                         "checkpoint": _sha(b"weights")},
            "packaging": {"format": "raw", "file": "model.bin", "sha256": _sha(MODEL)},
            "size": {"parameters": 3, "bytes": len(MODEL)},
            "score": {"metric": "fid", "value": 2.0, "axis": "paper-eval", "samples": 50_000,
                      "seeds": [0, 1, 2]},
            "runtime": {"steps": 300, "seconds": 12.5, "hardware": "one core"},
            "components": [self.evaluation(n, 1.5 + n / 2) for n in range(3)],
            "evidence": {"bundle": bundle.name, "sha256": _sha((bundle / MANIFEST).read_bytes())},
            "commands": ["train", "evaluate"],
        }  # fmt: skip

    def evaluation(self, seed: int, value: float, **changes: Any) -> dict[str, Any]:
        """An evaluation with the components that give its value; as the record pins it."""
        arrays = self.folder / f"e{seed}.txt"
        arrays.write_text(f"{value - 1.0!r}\n{value + 1.0!r}\n", encoding="utf-8")
        named = {"file": arrays.name, "sha256": _sha(arrays.read_bytes())}
        record = {
            "axis": "paper-eval", "metrics": {"fid": {"value": value}}, "samples": 50_000,
            "seeds": [seed], "step": 300, "checkpoint_sha256": _sha(b"weights"), "bypasses": [],
            "weights": "ema", "selected_from": 1, "components": named, **changes,
        }  # fmt: skip
        place = self.folder / f"e{seed}.json"
        place.write_text(json.dumps(record), encoding="utf-8")
        return {
            "evaluation": {"file": place.name, "sha256": _sha(place.read_bytes())},
            "arrays": named,
        }

    def judged(self, change: Change) -> str:
        """Exit code and blockers of the record with a change; the rest stays as it is."""
        data = deepcopy(self.data)
        change(data)
        place = self.folder / "promoted.yaml"
        place.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
        draft, blockers = read_draft(place)
        blockers += judge.judge(draft, self.loaded, self.reports)
        said = (f"{one.place}: {one.found}" for one in blockers)
        return " ".join([str(exit_code(blockers)), *said])


def _set(*path: Any, to: Any) -> Change:
    def change(data: dict[str, Any]) -> None:
        for part in path[:-1]:
            data = data[part]
        data[path[-1]] = to

    return change


def _evaluated(scene: Scene, **changes: Any) -> Change:
    def change(data: dict[str, Any]) -> None:
        data["components"][1] = scene.evaluation(1, 2.0, **changes)

    return change


def _spoiled(scene: Scene) -> Iterator[tuple[str, Change, str, str]]:
    """What is spoiled, how, and the exit code and the place that must be said."""
    for what, change, said in _cases(scene):
        code, _, place = said.partition(" ")
        yield what, change, code, place


def _cases(scene: Scene) -> Iterator[tuple[str, Change, str]]:
    yield "no score", lambda data: data.pop("score"), "3 score"
    yield "another track", _set("track", to="large"), "1 track"
    yield "a score that was not found", _set("score", "value", to=1.0), "4 score.value"
    yield "more samples than there were", _set("score", "samples", to=60_000), "4 score.samples"
    yield "a seed that was not run", _set("score", "seeds", to=[0, 1, 3]), "4 score.seeds"
    yield "a weaker axis", _set("score", "axis", to="proxy"), "4 score.axis"
    yield "another metric", _set("score", "metric", to="kid"), "1 score.metric"
    yield "more steps than there were", _set("runtime", "steps", to=400), "4 runtime.steps"
    yield "the code of another day", _set("snapshot", "code", to=_sha(b"x")), "4 snapshot.code"
    yield (
        "another checkpoint",
        _set("snapshot", "checkpoint", to=_sha(b"x")),
        "4 snapshot.checkpoint",
    )
    yield "another package", _set("packaging", "sha256", to=_sha(b"x")), "4 packaging.file"
    yield "a size it has not", _set("size", "bytes", to=5), "1 size.bytes"
    yield "no such bundle", _set("evidence", "bundle", to="none"), "3 evidence.bundle"
    yield "another bundle", _set("evidence", "sha256", to=_sha(b"x")), "4 evidence.sha256"
    yield (
        "an evaluation that was replaced",
        _set("components", 1, "evaluation", "sha256", to=_sha(b"x")),
        "4 components[1].evaluation",
    )
    yield (
        "arrays of another evaluation",
        _set("components", 1, "arrays", to=scene.data["components"][0]["arrays"]),
        "4 components[1].arrays",
    )
    yield "a bypass", _evaluated(scene, bypasses=["a reason"]), "1 components[1]: a bypass"
    yield "the best of many", _evaluated(scene, selected_from=5), "1 components[1]: picked"
    yield "raw weights", _evaluated(scene, weights="raw"), "1 components[1].weights"
    yield "too few steps", _evaluated(scene, step=200), "4 components: steps 200"
    yield "too few samples", _evaluated(scene, samples=100), "4 components: samples 100"


@check("gates.promotion")
def promotion(ctx: CheckContext) -> Measurement:
    """Every part of a record spoiled alone; what components give is computed for two of them."""
    with miniature() as pack:
        scene = Scene(pack)
        with patch.multiple(judge, **NOT_COMPUTED):
            unsigned = scene.judged(lambda data: None)
        if not unsigned.startswith("1 components[0].evaluation"):
            return ctx.decide(False, f"evaluations that nobody signed: {unsigned[:160]!r}")
        with patch.multiple(judge, **NOT_COMPUTED, **SIGNED):
            for what, change, code, place in _spoiled(scene):
                said = scene.judged(change)
                scene.evaluation(1, 2.0)
                if not said.startswith(code) or place not in said:
                    wanted = f"expected {code} and {place}"
                    return ctx.decide(False, f"{what}: {said[:160]!r}, {wanted}")
        with patch.multiple(judge, **SIGNED):
            whole, typed = scene.judged(lambda data: None), scene.judged(_typed(scene))
    good = whole == "0" and typed.startswith("4 components")
    return ctx.decide(good, f"with everything {whole!r}, with a typed value {typed[:160]!r}")


def _typed(scene: Scene) -> Change:
    """Somebody typed a better number into an evaluation and into the record."""

    def change(data: dict[str, Any]) -> None:
        pinned = scene.evaluation(1, 2.0)
        place = scene.folder / "e1.json"
        record = json.loads(place.read_text(encoding="utf-8"))
        record["metrics"]["fid"]["value"] = 0.5
        place.write_text(json.dumps(record), encoding="utf-8")
        pinned["evaluation"]["sha256"] = _sha(place.read_bytes())
        data["components"][1] = pinned
        data["score"]["value"] = 1.5

    return change


@mutant("gates.promotion_rule")
@contextmanager
def promotion_rule(subject: object, rule: str) -> Iterator[None]:
    """One of the rules of a promotion is not asked."""
    with miniature(), patch.object(judge, rule, lambda case: iter(())):
        yield


@mutant("gates.promotion_reads")
@contextmanager
def promotion_reads(subject: object, part: str) -> Iterator[None]:
    """A file is the pinned one, whatever its digest."""
    with miniature(), patch.object(Draft, part, _unpinned):
        yield


def _unpinned(self: Any, place: str, name: str, sha256: str) -> Any:
    return self.folder / name, []


@mutant("gates.typed_scores_stand")
@contextmanager
def typed_scores_stand(subject: object) -> Iterator[None]:
    """Scores are not computed again."""
    with miniature(), patch.object(judge, "recompute", lambda *given: []):
        yield

"""Promotion: every blocker is listed, each part flipped alone is NO-GO and names itself."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from verify.problems import PackError
from verify.promotion.model import PromotedRun
from verify.report.bundle import MANIFEST

from .conftest import MiniPack, Result, clause, new_pack, run_pack
from .signing import key, sign_record

Cli = Callable[..., Result]

CHECK = """
    import json
    from contextlib import contextmanager
    from unittest.mock import patch

    from verify.api import check, mutant

    MISMATCH = 1.0e-9

    @check("records.recomputed")
    def recomputed(ctx):
        paths = sorted(ctx.evidence_dir.glob("*.json"))
        if not paths:
            return ctx.missing("no records")
        for path in paths:
            record = json.loads(path.read_text())
            lines = (path.parent / record["components"]["file"]).read_text().split()
            value = sum(map(float, lines)) / len(lines)
            stated = record["metrics"]["fid"]["value"]
            if abs(stated - value) > MISMATCH:
                return ctx.decide(False, f"{path.name}: fid is {stated}, components give {value}")
        return ctx.decide(True, f"{len(paths)} recomputed")

    @check("records.believes")
    def believes(ctx):
        return ctx.decide(True, "looked at nothing")

    @mutant("records.strict")
    @contextmanager
    def strict(subject):
        with patch(f"{__name__}.MISMATCH", -1.0):
            yield
"""
GOOD = """
    import json
    from contextlib import contextmanager
    from unittest.mock import patch

    from verify.api import check, mutant

    OFF = 0.0

    @check("records.good")
    def good(ctx):
        records = [json.loads(path.read_text()) for path in ctx.evidence_dir.glob("*.json")]
        worst = max(record["metrics"]["fid"]["value"] for record in records)
        return ctx.judge(worst + OFF, f"worst {worst}", unit="FID", axis="paper-eval")

    @mutant("records.worse")
    @contextmanager
    def worse(subject):
        with patch(f"{__name__}.OFF", 100.0):
            yield
"""
TRACK: dict[str, Any] = {
    "id": "small",
    "title": "A small run",
    "metric": "fid",
    "axis": "paper-eval",
    "floors": {"steps": 300, "samples": {"fact": "book:thing.samples"}, "seeds": 3},
    "protocol": {"weights": "ema", "limit": {"fact": "book:thing.one"}},
    "recomputed_by": "THING-002",
    "needs": ["THING-001"],
    "max_bytes": 100,
}


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Scene:
    """A pack with a track, a bundle, and a run that may be promoted; tests spoil one thing."""

    pack: MiniPack
    reports: Path
    folder: Path
    data: dict[str, Any] = field(default_factory=dict)

    def bundle(self, **options: Any) -> None:
        """Run the pack and name the bundle that it leaves."""
        found = run_pack(self.pack, self.reports, evidence_dir=self.folder, **options)
        manifest = (found.bundle / MANIFEST).read_bytes()
        self.data["evidence"] = {"bundle": found.bundle.name, "sha256": sha(manifest)}
        self.data["snapshot"] = {
            "code": found.report.about["digests"]["code"],
            "checkpoint": sha(b"weights"),
        }

    def evaluations(self, values: list[float], **changes: Any) -> None:
        """One evaluation a value, with seeds 0, 1, ... and components that give it."""
        self.data["components"] = []
        for n, value in enumerate(values):
            arrays = self.folder / f"e{n}.components.txt"
            arrays.write_text(f"{value - 1.0!r}\n{value + 1.0!r}\n", encoding="utf-8")
            named = {"file": arrays.name, "sha256": sha(arrays.read_bytes())}
            record = {
                "axis": "paper-eval", "metrics": {"fid": {"value": value}}, "samples": 50_000,
                "seeds": [n], "step": 300, "checkpoint_sha256": sha(b"weights"), "bypasses": [],
                "weights": "ema", "limit": 1.0, "selected_from": 1, "components": named, **changes,
            }  # fmt: skip
            path = self.folder / f"e{n}.json"
            path.write_text(json.dumps(record), encoding="utf-8")
            sign_record(path, "fid", pack="mini")
            pinned = {"file": path.name, "sha256": sha(path.read_bytes())}
            self.data["components"].append({"evaluation": pinned, "arrays": named})

    def record(self) -> Path:
        """The record as a file."""
        path = self.folder / "promoted.yaml"
        path.write_text(yaml.safe_dump(self.data, sort_keys=False), encoding="utf-8")
        return path

    def promote(self, cli: Cli) -> Result:
        return cli("promote", self.record(), "--pack", self.pack.root, "--reports", self.reports)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make(tmp_path_factory.mktemp("ready"))


@pytest.fixture
def scene(ready: Scene, tmp_path: Path) -> Scene:
    """A copy of its own: pack, bundle and run lie side by side, wherever that is."""
    shutil.copytree(ready.folder.parent, tmp_path, dirs_exist_ok=True)
    pack = replace(ready.pack, root=tmp_path / "pack", clauses=deepcopy(ready.pack.clauses))
    return Scene(pack, tmp_path / "reports", tmp_path / "run", deepcopy(ready.data))


def make(tmp_path: Path) -> Scene:
    pack = new_pack(tmp_path / "pack")
    facts = {"thing.one": 1.0, "thing.samples": 50_000}
    topics = {
        name: {"title": name, "facts": {"book": {"value": value, "at": "p. 1"}}}
        for name, value in facts.items()
    }
    pack.data("specs/facts/thing.yaml", {"schema": "verify/facts/1", "topics": topics})
    pack.write("contracts/bindings/records.py", CHECK)
    pack.clauses = [
        clause(1),
        clause(2, check="records.recomputed", required=False,
               falsifiers=["records.strict"]),
    ]  # fmt: skip
    pack.data(
        "contracts/policy/promotion.yaml", {"schema": "verify/promotion/1", "tracks": [TRACK]}
    )
    keys = [key().model_dump(mode="json", exclude_none=True)]
    pack.data("contracts/policy/keys.yaml", {"schema": "verify/keys/1", "keys": keys})
    folder = tmp_path / "run"
    folder.mkdir()
    made = Scene(pack.save(), tmp_path / "reports", folder)
    (folder / "model.bin").write_bytes(b"packed")
    made.data = {
        "schema": "verify/promoted-run/1",
        "run": "small-a",
        "track": "small",
        "packaging": {"format": "raw", "file": "model.bin", "sha256": sha(b"packed")},
        "size": {"parameters": 3, "bytes": 6},
        "score": {
            "metric": "fid", "value": 2.0, "axis": "paper-eval", "samples": 50_000,
            "seeds": [0, 1, 2],
        },
        "runtime": {"steps": 300, "seconds": 12.5, "hardware": "one core"},
        "commands": ["drift train small", "drift eval small"],
    }  # fmt: skip
    made.evaluations([1.5, 2.0, 2.5])
    made.bundle()
    return made


def test_a_run_with_everything_may_be_promoted_and_nothing_is_published(
    scene: Scene, cli: Cli
) -> None:
    before = sorted(scene.folder.rglob("*"))
    result = scene.promote(cli)
    assert (result.code, result.out) == (
        0,
        "GO: small-a: fid 2 [paper-eval], 50,000 samples, 3 seeds, track small; nothing was "
        "published\n",
    )
    assert sorted(scene.folder.rglob("*")) == sorted({*before, scene.folder / "promoted.yaml"})


def test_evaluations_that_nobody_signed_are_not_promoted(scene: Scene, cli: Cli) -> None:
    (scene.folder / "e1.dsse").unlink()
    result = scene.promote(cli)
    assert result.code == 1
    assert "components[1].evaluation: found e1.json: unsigned (no signature)" in result.out
    assert result.out.endswith("NO-GO: small-a: 1 blockers\n")


def lacking(path: tuple[Any, ...]) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        for part in path[:-1]:
            data = data[part]
        del data[path[-1]]

    return change


FIELDS: list[tuple[Any, ...]] = [
    *[(name,) for name in PromotedRun.model_fields if name != "schema_"],
    *[("snapshot", name) for name in ("code", "checkpoint")],
    *[("packaging", name) for name in ("format", "file", "sha256")],
    *[("size", name) for name in ("parameters", "bytes")],
    *[("score", name) for name in ("metric", "value", "axis", "samples", "seeds")],
    *[("runtime", name) for name in ("steps", "seconds", "hardware")],
    *[("evidence", name) for name in ("bundle", "sha256")],
    *[("components", 0, name) for name in ("evaluation", "arrays")],
]


def test_any_missing_field_blocks_and_is_named(
    scene: Scene, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each alone; scores are computed again in other tests."""
    monkeypatch.setattr("verify.promotion.judge.recompute", lambda *_: ())
    whole = yaml.safe_dump(scene.data)
    for path in FIELDS:
        scene.data = yaml.safe_load(whole)
        lacking(path)(scene.data)
        result = scene.promote(cli)
        named = ".".join(map(str, path)).replace(".0.", "[0].")
        assert f"missing {named} (line " in result.out, path
        assert result.out.splitlines()[-1].startswith("NO-GO:"), path
        assert result.code == 3, path


def spoil(*path: Any, to: Any) -> Callable[[Scene], None]:
    def change(scene: Scene) -> None:
        data: Any = scene.data
        for part in path[:-1]:
            data = data[part]
        data[path[-1]] = to

    return change


def component(name: str, to: Any) -> Callable[[Scene], None]:
    return lambda scene: scene.evaluations([1.5, 2.0, 2.5], **{name: to})


def both(*changes: Callable[[Scene], None]) -> Callable[[Scene], None]:
    def change(scene: Scene) -> None:
        for one in changes:
            one(scene)

    return change


def edited_record(scene: Scene) -> None:
    """The score is edited in evaluation and record alike, digests and all; the arrays are not."""
    path = scene.folder / "e0.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["metrics"]["fid"]["value"] = 0.9
    path.write_text(json.dumps(data), encoding="utf-8")
    scene.data["components"][0]["evaluation"]["sha256"] = sha(path.read_bytes())
    scene.data["score"]["value"] = (0.9 + 2.0 + 2.5) / 3


def of_other_arrays(name: str, to: str) -> Callable[[Scene], None]:
    """An evaluation that names other arrays than the record pins for it."""

    def change(scene: Scene) -> None:
        path = scene.folder / "e0.json"
        data = json.loads(path.read_text(encoding="utf-8"))
        data["components"][name] = to
        path.write_text(json.dumps(data), encoding="utf-8")
        scene.data["components"][0]["evaluation"]["sha256"] = sha(path.read_bytes())

    return change


def unsaid(name: str) -> Callable[[Scene], None]:
    """What a record does not say is not taken for good."""

    def change(scene: Scene) -> None:
        for number, one in enumerate(scene.data["components"]):
            path = scene.folder / f"e{number}.json"
            data = json.loads(path.read_text(encoding="utf-8"))
            del data[name]
            path.write_text(json.dumps(data), encoding="utf-8")
            one["evaluation"]["sha256"] = sha(path.read_bytes())

    return change


def proxy(scene: Scene) -> None:
    component("axis", "proxy")(scene)
    scene.data["score"]["axis"] = "proxy"


def partial(scene: Scene) -> None:
    component("samples", 5000)(scene)
    scene.data["score"]["samples"] = 5000


def one_seed(scene: Scene) -> None:
    scene.evaluations([2.0])
    scene.data["score"]["seeds"] = [0]


def the_best_again(scene: Scene) -> None:
    """Two evaluations of three, the better one twice: the mean of what is named."""
    scene.evaluations([1.0, 2.0, 3.0])
    scene.data["components"].append(scene.data["components"][0])
    scene.data["score"]["value"] = 1.75


def one_draw_of_three_seeds(scene: Scene) -> None:
    scene.evaluations([2.0, 2.0, 2.0])


def short(scene: Scene) -> None:
    component("step", 100)(scene)
    scene.data["runtime"]["steps"] = 100


def touched_arrays(scene: Scene) -> None:
    (scene.folder / "e1.components.txt").write_text("2.0\n2.0\n", encoding="utf-8")


def mixed_axes(scene: Scene) -> None:
    first = scene.data["components"][0]
    component("axis", "proxy")(scene)
    scene.data["components"][0] = first
    path = scene.folder / "e0.json"
    data = json.loads(path.read_text(encoding="utf-8")) | {"axis": "paper-eval"}
    path.write_text(json.dumps(data), encoding="utf-8")
    first["evaluation"]["sha256"] = sha(path.read_bytes())


def damaged_bundle(scene: Scene) -> None:
    path = scene.reports / scene.data["evidence"]["bundle"] / "report.md"
    path.write_text("# GO: all is well\n", encoding="utf-8")


def other_code(scene: Scene) -> None:
    scene.data["snapshot"]["code"] = sha(b"other code")


SPOILED: dict[str, tuple[Callable[[Scene], None], int, str]] = {
    "proxy": (proxy, 1, "refused score.axis: found proxy; expected paper-eval of track small"),
    "repo-eval": (
        both(component("axis", "repo-eval"), spoil("score", "axis", to="repo-eval")),
        1, "refused score.axis: found repo-eval",
    ),
    "quoted": (spoil("score", "axis", to="external"), 4, "what somebody else states is never"),
    "unlabelled": (spoil("score", "axis", to="historical"), 1, 'score.axis (line 14): found "hist'),
    "partial": (partial, 1, "samples 5,000, at least 50,000 needed"),
    "one seed": (one_seed, 1, "seeds 1, at least 3 needed"),
    "horizon": (short, 1, "steps 100, at least 300 needed"),
    "edited score": (spoil("score", "value", to=1.99), 4, "found 1.99; expected 2.0, the mean"),
    "edited evaluation": (edited_record, 4, "fid is 0.9, components give 1.5"),
    "an evaluation of no count": (
        component("samples", "many"), 1, "refused components[0]: found",
    ),
    "the best again": (
        the_best_again, 1, "components[3]: found the arrays of components[0] again"),
    "one draw of three seeds": (
        one_draw_of_three_seeds, 1, "components[1]: found the arrays of components[0] again"),
    "arrays of another digest": (
        of_other_arrays("sha256", "0" * 64), 4, "components[0].arrays: found e0.components.txt; "
        f"expected e0.components.txt of sha256 {'0' * 64}",
    ),
    "arrays of another name": (
        of_other_arrays("file", "e1.components.txt"), 4,
        "components[0].arrays: found e0.components.txt; expected e1.components.txt of sha256 ",
    ),
    "edited arrays": (touched_arrays, 4, "components[1].arrays: found e1.components.txt of sha256"),
    "mixed axes": (mixed_axes, 1, "expected numbers on paper-eval only"),
    "a score beyond rounding": (
        spoil("score", "value", to=2.0 * (1 + 1.5e-9)), 4, "expected 2.0, the mean",
    ),
    "other seeds": (spoil("score", "seeds", to=[0, 1, 7]), 4, "score.seeds: found [0, 1, 7]"),
    "other samples": (spoil("score", "samples", to=60_000), 4, "score.samples: found 60000"),
    "other steps": (spoil("runtime", "steps", to=301), 4, "runtime.steps: found 301"),
    "another metric": (spoil("score", "metric", to="kid"), 1, "no such metric"),
    "bypassed": (component("bypasses", ["gates bypassed: x"]), 1, "a bypass: gates bypassed: x"),
    "picked": (component("selected_from", 9), 1, "found picked from 9"),
    "bypasses unsaid": (unsaid("bypasses"), 1, "a bypass: the record names none, nor says"),
    "picking unsaid": (unsaid("selected_from"), 1, "found picked from an unknown number"),
    "raw weights": (component("weights", "raw"), 1, "weights: found 'raw'; expected 'ema'"),
    "another fact": (component("limit", 2.0), 1, "limit: found 2.0; expected 1.0"),
    "another checkpoint": (
        component("checkpoint_sha256", sha(b"x")), 4, "integrity snapshot.checkpoint"
    ),
    "another code": (other_code, 4, "integrity snapshot.code"),
    "another package": (
        lambda scene: (scene.folder / "model.bin").write_bytes(b"hacked") and None,
        4, "integrity packaging.file",
    ),
    "no package": (
        lambda scene: (scene.folder / "model.bin").unlink(), 3, "missing packaging.file"
    ),
    "a package elsewhere": (
        spoil("packaging", "file", to="../pack/contracts/pack.yaml"), 3, "missing packaging.file"
    ),
    "another size": (spoil("size", "bytes", to=7), 1, "size.bytes: found 7; expected 6"),
    "too large": (spoil("size", "bytes", to=101), 1, "found 101; expected at most 100"),
    "another track": (spoil("track", to="large"), 1, "refused track: found large; expected one of"),
    "no bundle": (spoil("evidence", "bundle", to="20260101Z-x"), 3, "missing evidence.bundle"),
    "another bundle": (spoil("evidence", "sha256", to=sha(b"x")), 4, "integrity evidence.sha256"),
    "a damaged bundle": (damaged_bundle, 4, "integrity evidence: found"),
}  # fmt: skip


# Each rule by itself: test_promotion_rules.py.
DAILY = ("proxy", "other samples", "too large", "another bundle")


@pytest.mark.parametrize(
    "name",
    [pytest.param(one, marks=() if one in DAILY else pytest.mark.nightly) for one in SPOILED],
)
def test_one_thing_spoiled_is_no_go_and_names_it(scene: Scene, cli: Cli, name: str) -> None:
    change, code, expected = SPOILED[name]
    change(scene)
    result = scene.promote(cli)
    assert expected in result.out, result.out
    assert result.out.splitlines()[-1].startswith("NO-GO: small-a: ")
    assert result.code == code


def test_every_blocker_is_listed_at_once(scene: Scene, cli: Cli) -> None:
    """A proxy of one short run on part of the samples, of no known hardware."""
    scene.evaluations([2.0], axis="proxy", samples=5000, step=100)
    scene.data["score"] |= {"axis": "proxy", "samples": 5000, "seeds": [0]}
    scene.data["runtime"] = {"steps": 100, "seconds": 1.0}
    lines = scene.promote(cli).out.splitlines()
    for part in ("runtime.hardware", "score.axis: found proxy", "samples 5,000", "seeds 1",
                 "steps 100"):  # fmt: skip
        assert any(part in line for line in lines), part
    assert lines[-1] == f"NO-GO: small-a: {len(lines) - 1} blockers"


@pytest.mark.nightly
def test_a_clause_that_does_not_stand_blocks(tmp_path: Path, cli: Cli) -> None:
    """Not run; run without falsifiers; failed, and as a blocker it blocks the score too."""
    scene = make(tmp_path)
    scene.bundle(only=["THING-002"])
    assert "missing evidence: found THING-001 was not selected" in scene.promote(cli).out
    scene.bundle(falsify=False)
    out = scene.promote(cli).out
    assert "THING-001 a pass that its falsifiers do not bear out" in out
    scene.pack.clauses[0]["severity"] = "blocker"
    scene.pack.save().edit("contracts/bindings/thing.py", '"one": 1.0', '"one": 2.0')
    scene.bundle()
    result = scene.promote(cli)
    assert "refused evidence: found THING-001 fail" in result.out
    assert "a score that is blocked by THING-001" in result.out
    assert result.code == 1


@pytest.mark.parametrize("place", ["contracts/thing.yaml", "contracts/bindings/thing.py"])
def test_evidence_from_before_the_contracts_or_checks_changed_is_stale(
    scene: Scene, cli: Cli, place: str
) -> None:
    """Clauses of the same names may have asked less."""
    path = scene.pack.root / place
    path.write_text(path.read_text(encoding="utf-8") + "\n# stricter now\n", encoding="utf-8")
    result = scene.promote(cli)
    assert result.code == 1
    assert " is older than the " in result.out


def test_evidence_about_the_evaluations_of_another_run_is_none_about_this_one(
    scene: Scene, cli: Cli
) -> None:
    """The bundle's clause passed on the records of a good run; those promoted here are others."""
    scene.pack.write("contracts/bindings/good.py", GOOD)
    scene.pack.clauses.append(
        clause(3, kind="metric", axis="paper-eval", check="records.good",
               tolerance={"value": 3.0, "unit": "FID", "basis": "stated"},
               falsifiers=["records.worse"])
    )  # fmt: skip
    track = {**TRACK, "needs": ["THING-001", "THING-003"]}
    scene.pack.data(
        "contracts/policy/promotion.yaml", {"schema": "verify/promotion/1", "tracks": [track]}
    )
    scene.pack.save()
    scene.bundle()
    result = scene.promote(cli)
    assert result.code == 0, result.out
    scene.evaluations([9.0, 9.5, 10.0])
    scene.data["score"]["value"] = 9.5
    result = scene.promote(cli)
    assert result.code == 1
    assert "THING-003 fail on these evaluations: worst 10.0" in result.out


def test_a_clause_that_does_not_notice_an_edited_score_recomputes_nothing(
    scene: Scene, cli: Cli
) -> None:
    scene.pack.edit("contracts/thing.yaml", "records.recomputed", "records.believes")
    scene.bundle()
    result = scene.promote(cli)
    assert result.code == 4
    assert (
        "THING-002 pass on e0.json with fid edited by 0.0001, so it does not compute" in result.out
    )


def test_what_is_no_record_at_all(scene: Scene, cli: Cli) -> None:
    path = scene.folder / "x.yaml"
    for text in ("- 1\n", "run: [\n", "run: a\nrun: b\n"):
        path.write_text(text, encoding="utf-8")
        assert cli("promote", path, "--pack", scene.pack.root).code == 2


TRACKS: dict[str, tuple[dict[str, Any], str]] = {
    "a proxy track": ({"axis": "proxy"}, "a proxy ranks follow-up work only"),
    "no horizon": ({"floors": {"samples": 5, "seeds": 3}}, "floors for steps"),
    "no such clause": ({"recomputed_by": "THING-009"}, "recomputed_by: found the clause THING-009"),
    "no such pattern": ({"needs": ["OTHER-*"]}, "found OTHER-*"),
    "no such fact": ({"protocol": {"x": {"fact": "book:thing.none"}}}, "which states no value"),
    "no such floor": (
        {"floors": {"steps": {"fact": "book:thing.none"}, "samples": 1, "seeds": 1}},
        "expected a whole number above zero",
    ),
}


@pytest.mark.parametrize("name", TRACKS)
def test_a_track_that_holds_nothing_back_is_refused_by_lint(mini: MiniPack, name: str) -> None:
    changes, expected = TRACKS[name]
    track = {**TRACK, "floors": {"steps": 1, "samples": 1, "seeds": 1}, "protocol": {},
             "recomputed_by": "THING-001", **changes}  # fmt: skip
    mini.data(
        "contracts/policy/promotion.yaml", {"schema": "verify/promotion/1", "tracks": [track]}
    )
    try:
        problems = mini.problems()
    except PackError as error:
        problems = error.problems
    assert any(expected in str(problem) for problem in problems), problems


def test_a_track_stands_once_and_at_its_place(mini: MiniPack) -> None:
    track = {**TRACK, "floors": {"steps": 1, "samples": 1, "seeds": 1}, "protocol": {},
             "recomputed_by": "THING-001"}  # fmt: skip
    mini.data("contracts/other.yaml", {"schema": "verify/promotion/1", "tracks": [track, track]})
    found = [str(problem) for problem in mini.problems()]
    assert any("the track small a second time" in text for text in found)
    place = "found a file with this schema at contracts/other.yaml"
    said = f"{place}; expected only contracts/policy/promotion.yaml; remedy: move it there"
    assert [text for text in found if "promotion.yaml" in text] == [
        f"contracts/other.yaml:1:9: schema: {said}"
    ]


@pytest.mark.parametrize("needs", [["THING-*"], ["THING-001"], ["*-00[12]", "T*"]])
def test_a_track_may_name_clauses_by_pattern(mini: MiniPack, needs: list[str]) -> None:
    track = {**TRACK, "floors": {"steps": 1, "samples": 1, "seeds": 1}, "protocol": {},
             "recomputed_by": "THING-001", "needs": needs}  # fmt: skip
    mini.data(
        "contracts/policy/promotion.yaml", {"schema": "verify/promotion/1", "tracks": [track]}
    )
    assert mini.problems() == ()

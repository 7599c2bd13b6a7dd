"""Each rule of a promotion by itself, on a case made by hand: what blocks, word for word."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from verify.figures.evaluation import EvaluationRecord
from verify.outcome import Axis
from verify.promotion import judge
from verify.promotion.model import LabelledScore, Track
from verify.promotion.recompute import Evaluated
from verify.promotion.record import Blocker

TRACK: dict[str, Any] = {
    "id": "small", "title": "A small run", "metric": "fid", "axis": "repo-eval",
    "floors": {"steps": 300, "samples": 5, "seeds": 2}, "protocol": {"weights": "ema"},
    "recomputed_by": "THING-002", "needs": ["THING-*"], "max_bytes": 100,
}  # fmt: skip
DATA: dict[str, Any] = {
    "axis": "repo-eval", "metrics": {"fid": {"value": 2.0}}, "samples": 5, "step": 300,
    "checkpoint_sha256": "c" * 64, "bypasses": [], "weights": "ema", "selected_from": 1,
    "extractor_sha256": "e" * 64,
}  # fmt: skip
SCORE = {"metric": "fid", "value": 2.0, "axis": "repo-eval", "samples": 5, "seeds": (0, 1)}
ARRAYS = b"1.0\n3.0\n"


class Draft:
    """Parts of a record, and its package as it is found."""

    def __init__(self, package: tuple[Path | None, list[Blocker]], **parts: Any) -> None:
        self.package, self.parts = package, parts

    def file(self, place: str, name: str, digest: str) -> tuple[Path | None, list[Blocker]]:
        assert (place, name, digest) == ("packaging.file", "model.bin", "a" * 64)
        return self.package


def evaluation(folder: Path, seed: int, **changes: Any) -> Evaluated:
    arrays = folder / f"e{seed}.txt"
    drawn = ARRAYS + b"\n" * seed  # another seed gives other arrays
    arrays.write_bytes(drawn)
    named = {"file": arrays.name, "sha256": hashlib.sha256(drawn).hexdigest()}
    data = {**DATA, "seeds": [seed], "components": named, **changes}
    kept = {key: value for key, value in data.items() if value != "left out"}
    record = EvaluationRecord(folder / f"e{seed}.json", "f" * 64, kept)
    return Evaluated(f"components[{seed}]", record, arrays)


@pytest.fixture
def case(tmp_path: Path) -> Callable[..., judge.Case]:
    """A case in which nothing blocks; tests spoil one thing of it."""
    (tmp_path / "model.bin").write_bytes(b"x" * 100)

    def make(
        *,
        track: dict[str, Any] | None = None,
        score: dict[str, Any] | None = None,
        each: list[dict[str, Any]] | None = None,
        package: tuple[Path | None, list[Blocker]] = (tmp_path / "model.bin", []),
        known: Any = None,
        report: Any = None,
        **parts: Any,
    ) -> judge.Case:
        clauses = [
            SimpleNamespace(id="THING-001", axis=Axis.REPO_EVAL),
            SimpleNamespace(id="THING-002", axis=None),
            SimpleNamespace(id="THING-003", axis=Axis.PROXY),
        ]
        facts = {"book:thing.weights": SimpleNamespace(value="ema")}
        pack = SimpleNamespace(clauses=clauses, fact=facts.get, trust="trust")
        given = {
            "snapshot": SimpleNamespace(code="b" * 64, checkpoint="c" * 64),
            "packaging": SimpleNamespace(file="model.bin", sha256="a" * 64),
            "size": SimpleNamespace(bytes=100),
            "score": LabelledScore.model_validate({**SCORE, **(score or {})}, strict=False),
            "runtime": SimpleNamespace(steps=300),
        }
        changes = each if each is not None else [{}, {}]
        found = tuple(evaluation(tmp_path, seed, **one) for seed, one in enumerate(changes))
        draft: Any = Draft(package, **(given | parts))
        loaded: Any = SimpleNamespace(pack=pack)
        held = Track.model_validate(TRACK | (track or {}), strict=False)
        return judge.Case(draft, loaded, held, found, report, known)

    return make


def said(rule: Callable[[judge.Case], Iterator[Blocker]], case: judge.Case) -> list[str]:
    return [f"{one.kind.word} {one.place}: {one.found} | {one.expected}" for one in rule(case)]


Make = Callable[..., judge.Case]
CODE = {"digests": {"code": "b" * 64}}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"report": SimpleNamespace(about=CODE)}, []),
        ({"report": SimpleNamespace(about={})},
         [f"integrity snapshot.code: {'b' * 64} | None, the code of the evidence"]),
        ({"each": [{}, {"checkpoint_sha256": "d" * 64}]},
         [f"integrity snapshot.checkpoint: {'d' * 64} in e1.json | {'c' * 64}"]),
        ({"snapshot": None, "each": [{"checkpoint_sha256": "d" * 64}]}, []),
    ],
)  # fmt: skip
def test_snapshot(case: Make, changes: dict[str, Any], found: list[str]) -> None:
    assert said(judge._snapshot, case(**changes)) == found


GONE = Blocker(judge.Kind.MISSING, "packaging.file", "none", "it", "put it there")


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"packaging": None, "size": SimpleNamespace(bytes=999)}, []),
        ({"package": (None, [GONE])}, ["missing packaging.file: none | it"]),
        ({"package": (None, [GONE]), "size": SimpleNamespace(bytes=101)},
         ["missing packaging.file: none | it", "refused size.bytes: 101 | at most 100"]),
        ({"size": SimpleNamespace(bytes=99)}, ["refused size.bytes: 99 | 100 of model.bin"]),
        ({"size": SimpleNamespace(bytes=101)},
         ["refused size.bytes: 101 | 100 of model.bin", "refused size.bytes: 101 | at most 100"]),
        ({"track": {"max_bytes": 99}}, ["refused size.bytes: 100 | at most 99"]),
        ({"track": {"max_bytes": None}}, []),
        ({"size": None, "track": {"max_bytes": 1}}, []),
    ],
)  # fmt: skip
def test_package(case: Make, changes: dict[str, Any], found: list[str]) -> None:
    assert said(judge._package, case(**changes)) == found


@pytest.mark.parametrize(
    ("score", "found", "remedy"),
    [
        ({}, [], ""),
        ({"axis": "paper-eval"}, [], ""),
        ({"axis": "proxy"}, ["refused score.axis: proxy | repo-eval of track small"],
         "measure on that axis; a calibrated proxy ranks follow-up work, no more"),
        ({"axis": "external"}, ["refused score.axis: external | repo-eval of track small"],
         "measure it; what somebody else states is never promoted"),
        ({"metric": "precision"}, ["refused score.metric: precision | fid of track small"],
         "promote by that"),
    ],
)  # fmt: skip
def test_axis(case: Make, score: dict[str, Any], found: list[str], remedy: str) -> None:
    made = case(score=score)
    assert said(judge._axis, made) == found
    assert "".join(one.remedy for one in judge._axis(made)) == remedy


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"score": {"value": 2.0 * (1 + 0.9e-9)}}, []),
        ({"score": {"value": 2.0 * (1 + 1.5e-9)}},
         ["integrity score.value: 2.000000003 | 2.0, the mean of its evaluations"]),
        ({"score": {"value": 2.5}},
         ["integrity score.value: 2.5 | 2.0, the mean of its evaluations"]),
        ({"score": {"value": 1.0e-12}, "each": [{"metrics": {"fid": {"value": 1.1e-12}}}] * 2},
         ["integrity score.value: 1e-12 | 1.1e-12, the mean of its evaluations"]),
        ({"each": [{}, {"metrics": {"fid": {"value": 3.0}}}], "score": {"value": 2.5}}, []),
        ({"score": {"axis": "paper-eval"}}, ["integrity score.axis: paper-eval | repo-eval"]),
        ({"score": {"samples": 6}}, ["integrity score.samples: 6 | 5"]),
        ({"each": [{"samples": 9}, {}]}, []),
        ({"score": {"seeds": (0, 1, 2)}}, ["integrity score.seeds: [0, 1, 2] | [0, 1]"]),
        ({"score": {"seeds": (1, 0, 1)}}, []),
        ({"runtime": SimpleNamespace(steps=301)},
         ["integrity runtime.steps: 301 | 300 of the evaluations"]),
        ({"each": [{"step": 301}, {}]}, []),
        ({"runtime": None, "each": [{"step": 7}, {}]}, []),
        ({"each": []}, []),
        ({"score": {"metric": "precision"}, "each": [{}]},
         ["refused components: "]),
        ({"each": [{}, {"axis": "proxy"}]}, ["refused components: "]),
    ],
)  # fmt: skip
def test_score(case: Make, changes: dict[str, Any], found: list[str]) -> None:
    told = said(judge._score, case(**changes))
    if found == ["refused components: "]:
        assert len(told) == 1
        assert told[0].startswith(found[0]), told
        assert told[0].endswith("| comparable numbers")
        return
    assert told == found


def test_an_evaluation_that_is_there_twice_counts_once(case: Make) -> None:
    """Named again it pulls the mean to its side; copied under other seeds it met their floor."""
    assert said(judge._apart, case()) == []
    made = case()
    first, second = made.evaluated
    again = "refused components[1]: the arrays of components[0] again | an evaluation of its own"
    first.arrays.write_bytes(second.arrays.read_bytes())
    assert said(judge._apart, made) == [again]
    assert said(judge._apart, replace(made, evaluated=(first, replace(first, place=second.place))))


FLOORS = "300 steps, 5 samples, 2 seeds"


@pytest.mark.parametrize(
    ("each", "found"),
    [
        ([{}, {}], []),
        ([{"step": 301}, {"samples": 6}], []),
        ([{"step": 299}, {}], ["299 steps, 300 needed"]),
        ([{}, {"samples": 4}], ["4 samples, 5 needed"]),
        ([{}], ["1 seeds, 2 needed"]),
        ([{}, {"seeds": [0]}], ["1 seeds, 2 needed"]),
        ([{}, {"step": "left out"}], ["no number of steps, 300 needed"]),
        ([], []),
    ],
)
def test_floors(case: Make, each: list[dict[str, Any]], found: list[str]) -> None:
    made = case(each=each)
    told = [one.found for one in judge._floors(made)]
    assert len(told) == len(found)
    for text, expected in zip(told, found, strict=True):
        assert expected.split(",")[0].split()[-1] in text, told
    assert all(
        one.expected.startswith("the floors of track small: ") for one in judge._floors(made)
    )


@pytest.mark.parametrize("digest", ["e" * 64, "d" * 64, "left out"])
def test_an_extractor_counts_where_all_evaluations_have_it(case: Make, digest: str) -> None:
    asked = case(
        each=[{}, {"extractor_sha256": digest}],
        track={"floors": {**TRACK["floors"], "extractor_sha256": "e" * 64}},
    )
    assert bool(list(judge._floors(asked))) is (digest != "e" * 64)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"each": [{"bypasses": ["no time"]}, {}]},
         ["refused components[0]: a bypass: no time | none"]),
        ({"each": [{}, {"selected_from": 2}]},
         ["refused components[1]: picked from 2 | not picked"]),
        ({"each": [{"selected_from": "left out"}]},
         ["refused components[0]: picked from an unknown number | not picked"]),
        ({"each": [{"weights": "live"}]}, ["refused components[0].weights: 'live' | 'ema'"]),
        ({"each": [{"weights": "left out"}]}, ["refused components[0].weights: None | 'ema'"]),
        ({"each": [{"limit": True}], "track": {"protocol": {"limit": 1}}},
         ["refused components[0].limit: True | 1"]),
        ({"track": {"protocol": {"weights": {"fact": "book:thing.weights"}}}}, []),
        ({"track": {"protocol": {"weights": {"fact": "book:thing.none"}}}, "each": [{}]},
         ["refused components[0].weights: 'ema' | None"]),
    ],
)  # fmt: skip
def test_protocol(case: Make, changes: dict[str, Any], found: list[str]) -> None:
    assert said(judge._protocol, case(**changes)) == found


@pytest.mark.parametrize(
    ("axis", "why", "found"),
    [
        ("repo-eval", "unsigned", [0, 1]),
        ("paper-eval", "unsigned", [0, 1]),
        ("proxy", "unsigned", []),
        ("external", "unsigned", []),
        ("repo-eval", "", []),
    ],
)
def test_signed(
    case: Make, monkeypatch: pytest.MonkeyPatch, axis: str, why: str, found: list[int]
) -> None:
    asked = []

    def shortfall(backing: Any, trust: Any) -> str:
        asked.append((backing, trust))
        return why

    monkeypatch.setattr(judge, "backing", lambda paths, metrics: (paths, metrics))
    monkeypatch.setattr(judge, "shortfall", shortfall)
    made = case(score={"axis": axis})
    told = list(judge._signed(made))
    assert [one.place for one in told] == [f"components[{n}].evaluation" for n in found]
    assert [one.remedy for one in told] == [f"verify sign e{n}.json" for n in found]
    assert {one.found for one in told} <= {why}
    if axis in ("repo-eval", "paper-eval"):
        paths = [one.record.path for one in made.evaluated]
        assert asked == [(([path], ["fid"]), "trust") for path in paths]


NAMED = {"file": "e0.txt", "sha256": hashlib.sha256(ARRAYS).hexdigest()}


@pytest.mark.parametrize(
    ("changes", "found", "asked"),
    [
        ({}, ["integrity components: off | the score again",
              "refused components: red | a pass on these evaluations"], ["again", "judged"]),
        ({"each": []}, [], []),
        ({"score": None}, [], []),
        ({"each": [{}, {"metrics": {}}]}, [], []),
        ({"score": {"axis": "paper-eval"}},
         ["integrity components: off | the score again"], ["again"]),
        ({"each": [{"components": NAMED | {"file": "e9.txt"}}]},
         [f"integrity components[0].arrays: e0.txt | e9.txt of sha256 {NAMED['sha256']}"], []),
        ({"each": [{"components": NAMED | {"sha256": "0" * 64}}]},
         [f"integrity components[0].arrays: e0.txt | e0.txt of sha256 {'0' * 64}"], []),
    ],
)  # fmt: skip
def test_components(
    case: Make,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    found: list[str],
    asked: list[str],
) -> None:
    heard: list[Any] = []

    def recompute(loaded: Any, clause: str, evaluated: Any, metric: str) -> list[str]:
        heard.append("again")
        assert (clause, len(evaluated), metric) == ("THING-002", 2, "fid")
        return ["off"]

    def judged_again(loaded: Any, clauses: list[str], evaluated: Any) -> list[str]:
        heard.append("judged")
        assert (clauses, len(evaluated)) == (["THING-001"], 2)
        return ["red"]

    monkeypatch.setattr(judge, "recompute", recompute)
    monkeypatch.setattr(judge, "judged_again", judged_again)
    without = changes.get("score", {}) is None
    made = case(**{key: value for key, value in changes.items() if value is not None})
    if without:
        made.draft.parts["score"] = None
    assert (said(judge._components, made), heard) == (found, asked)


def a_report(*views: Any, blocked_by: tuple[str, ...] = ()) -> Any:
    return SimpleNamespace(
        clauses=views, sound=lambda view: view.sound,
        score=SimpleNamespace(overall=SimpleNamespace(blocked_by=blocked_by)),
    )  # fmt: skip


def a_view(number: int, outcome: str = "pass", *, sound: bool = True) -> Any:
    return SimpleNamespace(id=f"THING-00{number}", outcome=outcome, reason="so it is", sound=sound)


ALL = {f"THING-00{n}": "bundle" for n in (1, 2, 3)}
REST = {"THING-002": "bundle", "THING-003": "bundle"}
VIEWS = (a_view(1), a_view(2), a_view(3))


@pytest.mark.parametrize(
    ("report", "sources", "stale", "notes", "found"),
    [
        (a_report(*VIEWS), ALL, {}, ["a note"], []),
        (None, ALL, {}, ["a note", "two"],
         ["refused evidence: a note | about the present files",
          "refused evidence: two | about the present files"]),
        (a_report(*VIEWS[1:]), REST, {}, [],
         ["missing evidence: THING-001 was not selected | a pass"]),
        (a_report(*VIEWS), REST, {"THING-001": "it is old"}, [],
         ["missing evidence: THING-001: it is old | a pass"]),
        # Told for the whole bundle, and not for each clause once more.
        (None, REST, {"THING-001": "it is old"}, ["it is old"],
         ["refused evidence: it is old | about the present files"]),
        (a_report(a_view(1, "fail", sound=False), *VIEWS[1:]), ALL, {}, [],
         ["refused evidence: THING-001 fail: so it is | a pass"]),
        (a_report(a_view(1, sound=False), *VIEWS[1:]), ALL, {}, [],
         ["refused evidence: THING-001 a pass that its falsifiers do not bear out: so it is | "
          "a pass"]),
        (a_report(*VIEWS, blocked_by=("THING-009",)), ALL, {}, [],
         ["refused evidence: a score that is blocked by THING-009 | no failing blocker"]),
    ],
)  # fmt: skip
def test_evidence(
    case: Make, report: Any, sources: Any, stale: Any, notes: list[str], found: list[str]
) -> None:
    known = SimpleNamespace(report=report, sources=sources, stale=stale, notes=notes)
    assert said(judge._evidence, case(known=known)) == found


def test_without_evidence_or_a_track_no_clause_is_asked_for(case: Make) -> None:
    assert said(judge._evidence, case(known=None)) == []

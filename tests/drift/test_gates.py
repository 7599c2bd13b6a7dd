"""A faithful run is its column, or does not start; what is not its column backs no number of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml

import drift
from contracts.common import small_run
from contracts.metrics import cases as metrics_cases
from drift import cli, gates, sample
from drift.artifacts import store
from drift.artifacts.errors import ArtifactError
from drift.config import Template, fingerprint, load_template, parse_template, template_names
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.sample.loading import NO_GATES
from drift.state import checkpoint
from drift.train import beginning, build, run
from verify import gate

COLUMNS = [name for name in template_names() if load_template(name).fidelity == "faithful"]
ROOT = Path(__file__).parents[2]
TEMPLATES = Path(drift.__file__).parent / "templates"
# Changes that are consistent with one another, build, and keep `fidelity: faithful`.
DEPARTURES: dict[str, dict[str, Any]] = {
    "four": {"optimizer.schedule": "cosine", "optimizer.warmup_steps": 100,
             "loss.temperatures": [0.05, 0.2], "queue.replacement": "fallback"},
    "one number": {"optimizer.learning_rate": 4.1e-4},
    "a truth value": {"generator.activation_checkpointing": True},
    "order of a list": {"cfg.alpha_range": [1.0, 3.9]},
    "the encoder alone": {"encoder.base_width": 256},
    "the evaluation alone": {"evaluation.samples": 10_000},
    "the other semantics": {"semantics": "paper"},
    "another column's name": {"column": "L2"},
}  # fmt: skip


def copied(name: str, changes: dict[str, Any]) -> str:
    """The text of a shipped template with changes by dotted path."""
    value = yaml.safe_load((TEMPLATES / f"{name}.yaml").read_text())
    for field, new in changes.items():
        *parents, leaf = field.split(".")
        node = value
        for parent in parents:
            node = node[parent]
        node[leaf] = new
    return yaml.safe_dump(value)


@pytest.fixture
def refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """A command in an empty folder that has to be refused -> its error; nothing is left behind."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def refuse(*arguments: object) -> str:
        assert cli.run([str(a) for a in arguments]) == 2
        said = capsys.readouterr().err
        assert "Traceback" not in said
        assert list(here.iterdir()) == []
        return said

    return refuse


@pytest.mark.parametrize("name", [*COLUMNS, "closest-feasible"])
def test_a_shipped_template_is_its_column(name: str) -> None:
    gates.require_column(load_template(name))


@pytest.mark.parametrize("case", DEPARTURES)
def test_a_faithful_copy_that_departs_trains_nothing_whatever_is_bypassed(
    tmp_path: Path, refused: Callable[..., str], case: str
) -> None:
    """A copy of B/2 with four departures passed the gate that had looked at the shipped file."""
    path = tmp_path / "mine.yaml"
    path.write_text(copied("latent-b2", DEPARTURES[case]))
    others: tuple[list[Any], ...] = (
        ["train", path, "--bypass-gates", "I know better"],
        ["train", path, "--dry-run"],
        ["pretrain", path],
    )
    for words in (["train", path], *(others if case == "four" else ())):
        said = refused(*words)
        assert said.startswith("error: faithful template latent-b2: found "), said
        for field in DEPARTURES[case]:
            assert field in said or "fields" in said or field == "column"


def test_a_closed_gate_names_the_run_that_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of the pack in this folder never opened the gate of an engine that is installed."""
    reports = tmp_path / "my reports"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(gates.GateError) as closed:
        gates.require(load_template("latent-b2"), reports=reports)
    command = f"`verify run --pack {ROOT} --reports '{reports}'`"
    assert f"{command} produces the evidence; mend what it names." in str(closed.value)
    monkeypatch.chdir(ROOT)
    assert gates._opens(ROOT, Path("reports")) == "verify run"


def test_digits_that_call_themselves_a_column_train_nothing(
    tmp_path: Path, refused: Callable[..., str]
) -> None:
    path = tmp_path / "digits.yaml"
    path.write_text(copied("digits", {"column": "L2", "fidelity": "faithful"}))
    assert load_template(path).column == "L2"
    said = refused("train", path, "--bypass-gates", "x")
    assert "faithful template digits: found" in said
    assert "expected column L2 in every field" in said


@pytest.mark.parametrize("more", [[], [{"field": "optimizer.eps", "value": 1e-8}]], ids=str)
def test_a_closest_feasible_template_departs_in_what_it_declares_and_in_nothing_else(
    tmp_path: Path, refused: Callable[..., str], more: list[dict[str, Any]]
) -> None:
    shipped = yaml.safe_load((TEMPLATES / "closest-feasible.yaml").read_text())
    declared = [
        *shipped["deviations"], *({**one, "expected": 1, "reason": "x", "decision": None}
                                  for one in more)
    ]  # fmt: skip
    changes = {"deviations": declared} | ({} if more else {"optimizer.learning_rate": 1.0e-4})
    path = tmp_path / "mine.yaml"
    path.write_text(copied("closest-feasible", changes))
    said = refused("train", path)
    assert said.startswith("error: closest-feasible template closest-feasible: found ")
    assert ("stale declaration: optimizer.eps" if more else "optimizer.learning_rate") in said


def test_settings_are_resolved_before_the_gate_looks(refused: Callable[..., str]) -> None:
    """What departs by --set is free; what is set to the column's own value is the column."""
    same = build.override(load_template("latent-b2"), ["optimizer.learning_rate=4.0e-4"])
    assert same.fidelity == "faithful"
    gates.require_column(same)
    said = refused("train", "latent-b2", "--set", "optimizer.learning_rate=4.0e-4")
    assert "found no bundle in reports is about this code and pack drift at" in said
    changed = build.override(load_template("latent-b2"), ["optimizer.learning_rate=5.0e-4"])
    assert changed.fidelity == "free"
    found = gates.require(changed)
    assert found == {
        "gates": {"fidelity": "free", "fingerprint": fingerprint(changed), "required": []}
    }


@pytest.mark.parametrize("setting", ["fidelity=faithful", "column=L2", "name=x", "deviations=[]"])
def test_a_setting_cannot_say_what_a_template_is(refused: Callable[..., str], setting: str) -> None:
    assert "a field that exists" in refused("train", "digits", "--set", setting)


def test_the_record_of_an_open_gate_names_template_pack_and_bundle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def standing(selectors: Any, **more: Any) -> gate.Standing:
        asked.append(more)
        return gate.Standing(True, 7, (), "bundle", "c0de", "drift", Path(), "d1ge57")

    monkeypatch.setattr(gate, "standing", standing)
    template = load_template("latent-l2")
    found = gates.require(template)["gates"]
    assert found["fingerprint"] == fingerprint(template)
    assert found["column"] == "L2"
    assert found["pack"] == {"name": "drift", "sha256": "d1ge57"}
    assert (asked[0]["pack"], asked[0]["running"]) == (None, Path(drift.__file__).parent)
    gates.require(template, pack=ROOT)
    assert asked[1]["pack"] == ROOT


@pytest.mark.parametrize("count", [1, 5, 6, 8])
def test_the_first_five_obstacles_are_said_and_how_many_there_are_besides(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    closed = [f"[{n}]" for n in range(count)]

    def standing(selectors: Any, **more: Any) -> gate.Standing:
        return gate.Standing(False, 7, tuple(closed), None, "c0de", "drift", Path(), "d1ge57")

    monkeypatch.setattr(gate, "standing", standing)
    more = f"; and {count - 5} more" if count > 5 else ""
    said = f"found {'; '.join(closed[:5])}{more}; expected "
    with pytest.raises(gates.GateError) as told:
        gates.require(load_template("latent-l2"))
    assert f"{said}7 clauses" in str(told.value)
    differs = SimpleNamespace(good=False, obstacles=tuple(closed))
    monkeypatch.setattr(gate, "against_column", lambda *given, **named: differs)
    with pytest.raises(gates.GateError) as told:
        gates.require_column(load_template("latent-l2"))
    assert f"{said}column L2" in str(told.value)


def test_a_bypass_is_in_the_record_with_every_obstacle_and_has_no_tier(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed = tuple(f"[{n}]" for n in range(7))

    def standing(selectors: Any, **more: Any) -> gate.Standing:
        return gate.Standing(False, 7, closed, None, "c0de", "drift", Path(), "d1ge57")

    monkeypatch.setattr(gate, "standing", standing)
    found = gates.require(load_template("latent-l2"), bypass="a look")
    assert found["tier"] == "none"
    assert (found["gates"]["bypass"], found["gates"]["open"]) == ("a look", list(closed))


def test_figures_are_put_in_order_on_one_axis_only() -> None:
    numbers = [("a", 2.0, "proxy"), ("b", 1.0, "proxy"), ("c", 3.0, "proxy")]
    assert gates.best_first(numbers, "fid", better="lower") == [1, 0, 2]
    assert gates.best_first(numbers, "coverage", better="higher") == [2, 0, 1]
    said = r"comparison of fid: found .*a.*d.*on one evidence axis"
    with pytest.raises(gates.GateError, match=said):
        gates.best_first([*numbers, ("d", 1.0, "repo-eval")], "fid", better="lower")


@pytest.mark.parametrize("pack", [None, ROOT])
def test_every_gate_asks_the_pack_that_is_named_about_the_code_that_runs(
    monkeypatch: pytest.MonkeyPatch, pack: Path | None
) -> None:
    heard: list[Any] = []
    answers = {
        "standing": gate.Standing(True, 7, (), "bundle", "c0de", "drift", Path(), "d1ge57"),
        "against_column": SimpleNamespace(good=True, obstacles=()),
        "claim_floors": gate.Floors(),
    }

    def answering(name: str) -> Callable[..., Any]:
        def answer(*given: Any, **more: Any) -> Any:
            heard.append((name, given, more))
            return answers[name]

        return answer

    for name in answers:
        monkeypatch.setattr(gate, name, answering(name))
    template = load_template("latent-l2")
    value = template.model_dump(mode="json", by_alias=True)
    where = {"pack": pack, "running": Path(drift.__file__).parent}
    gates.require(template, reports=Path("there"), selectors=("A-001",), pack=pack)
    gates.require_column(load_template("closest-feasible"), pack=pack)
    gates.require_floors(["CLAIM-X", "CLAIM-X"], pack)
    assert heard[:2] == [
        ("against_column", (value,), {"name": "latent-l2"} | where),
        ("standing", (("A-001",),), {"reports": Path("there")} | where),
    ]
    assert heard[2][2] == {"name": "closest-feasible"} | where
    assert heard[3:] == [("claim_floors", ("CLAIM-X",), where)]


def test_a_claim_that_is_none_of_the_packs_is_refused_before_any_work() -> None:
    with pytest.raises(gates.GateError, match=r"--claim CLAIM-X: found .*a claim of the pack"):
        gates.require_floors(["CLAIM-X"], ROOT, steps=1)


def test_a_pack_by_chance_in_the_working_directory_opens_no_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a pack of its own the folder would decide which facts a template is held against."""
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts/pack.yaml").write_text("schema: verify/pack/1\n")
    monkeypatch.chdir(tmp_path)
    gates.require_column(load_template("latent-b2"))
    with pytest.raises(gates.GateError, match="does not hold"):
        gates.require_column(load_template("latent-b2"), pack=tmp_path)
    with pytest.raises(gates.GateError, match="found no contracts/pack"):
        gates.require_column(load_template("latent-b2"), pack=tmp_path / "nowhere")


# -- what backs a number ---------------------------------------------------------------------------


def renamed(shipped: str, **header: Any) -> Template:
    return parse_template(copied(shipped, header), source="mine")


@pytest.mark.parametrize("name", COLUMNS)
def test_a_faithful_copy_has_its_columns_fingerprint_whatever_it_is_called(name: str) -> None:
    copy = renamed(name, name="mine", title="My own")
    gates.require_column(copy)
    assert fingerprint(copy) == fingerprint(load_template(name))
    assert fingerprint(renamed(name, fidelity="free")) != fingerprint(load_template(name))
    assert fingerprint(renamed("digits", name="mine")) != fingerprint(load_template("digits"))


def written_under(folder: Path, template: Template) -> Path:
    """A run's newest checkpoint as if its template had been this one."""
    place = metrics_cases.run_folder(folder)
    path = place / "checkpoints/step-00000010.safetensors"
    kept = checkpoint.read(path)
    path.unlink()
    facts = {**kept.facts, "fingerprint": fingerprint(template)}
    checkpoint.write(path.parent, checkpoint.Checkpoint(kept.step, kept.tensors, facts))
    (place / "template.json").write_text(
        json.dumps(template.model_dump(mode="json", by_alias=True))
    )
    return place


@pytest.mark.parametrize("fidelity", ["free", "closest-feasible", "faithful"])
def test_only_a_faithful_template_makes_its_numbers_the_columns(
    tmp_path: Path, fidelity: str
) -> None:
    """A free template may name the column it began from: no evaluation is that column's for it."""
    template = metrics_cases.template().model_copy(update={"column": "L2", "fidelity": fidelity})
    if fidelity == "closest-feasible":
        value = template.model_dump(mode="json", by_alias=True)
        value["deviations"] = [{"field": "loss.positives", "value": 16, "expected": 64,
                                "reason": "x", "decision": None}]  # fmt: skip
        template = Template.model_validate_json(json.dumps(value))
    origin = sample.load(written_under(tmp_path / "run", template), ema_decay="0.9").origin
    assert origin.column == ("L2" if fidelity == "faithful" else None)
    assert (NO_GATES in origin.bypasses) == (fidelity == "faithful")
    assert origin.fingerprint == fingerprint(template)


@pytest.mark.parametrize("asked", ["this", "another", "none"])
def test_gates_that_were_asked_about_another_template_are_no_gates(
    tmp_path: Path, asked: str
) -> None:
    template = metrics_cases.template().model_copy(update={"column": "L2", "fidelity": "faithful"})
    place = written_under(tmp_path / "run", template)
    stated = {"this": fingerprint(template), "another": fingerprint(load_template("latent-l2"))}
    found = {"fidelity": "faithful", "fingerprint": stated.get(asked)}
    (place / "run_metadata.json").write_text(json.dumps({"gates": found}))
    origin = sample.load(place, ema_decay="0.9").origin
    assert (NO_GATES in origin.bypasses) == (asked != "this")
    options = run.RunOptions(folder=tmp_path / "new", labels={"gates": found})
    assert (NO_GATES in run._bypasses(template, options)) == (asked != "this")


def test_a_checkpoint_among_the_files_of_another_run_is_not_sampled(tmp_path: Path) -> None:
    place = metrics_cases.run_folder(tmp_path / "run")
    other = metrics_cases.template().model_copy(update={"column": "L2"})
    (place / "template.json").write_text(json.dumps(other.model_dump(mode="json", by_alias=True)))
    with pytest.raises(drift.errors.DriftError, match="The template was changed after the run"):
        sample.load(place, ema_decay="0.9")


def test_a_stamped_template_makes_no_artefact_a_columns(tmp_path: Path) -> None:
    """Anyone can write a template's name and fingerprint beside tensors."""
    stated = load_template("latent-l2")
    for number, sign in enumerate(" @"):
        path = tmp_path / f"{number}.safetensors"
        fields = {"source_layout": "drift-train", "tokenizer": "none", "licence": "Apache-2.0",
                  "weights": "ema", "template": f"latent-l2{sign}{fingerprint(stated)}",
        }  # fmt: skip
        store.save_artifact(path, metrics_cases.generator(), fields)
        origin = sample.load(path).origin
        assert (origin.template, origin.fingerprint) == ("latent-l2", fingerprint(stated))
        assert (origin.column, origin.dataset) == (None, "unknown")


def test_a_run_is_not_resumed_under_another_header(tmp_path: Path) -> None:
    """All fields agree: only the fingerprint shows that a free run would end as a column's."""
    template = build.override(load_template("digits"), small_run.RUN)
    facts = {"seed": 0, "data": "d", "encoder": "e", "template": template.leaves(),
             "fingerprint": fingerprint(template)}  # fmt: skip
    kept = checkpoint.Checkpoint(2, {}, facts)
    checkpoint.require_same(kept, facts)
    for changes in ({"column": "L2"}, {"column": "L2", "fidelity": "faithful"}, {"name": "x"}):
        other = template.model_copy(update=changes)
        with pytest.raises(checkpoint.CheckpointError, match="found fingerprint: "):
            checkpoint.require_same(kept, facts | {"fingerprint": fingerprint(other)})
    changed = build.override(template, ["loss.positives=5"])
    now = facts | {"template": changed.leaves(), "fingerprint": fingerprint(changed)}
    with pytest.raises(checkpoint.CheckpointError) as caught:
        checkpoint.require_same(kept, now)
    assert caught.value.found == "loss.positives: 4 in the checkpoint, 5 here"


# -- the encoder of a column -----------------------------------------------------------------------


def artefact(template: str | None, **config: Any) -> store.Artifact:
    given = {"in_channels": 4, "base_channels": 640, "blocks": (3, 4, 6, 3), "bfloat16": True}
    model = MaskedAutoencoder(EncoderConfig(**(given | config)), device=torch.device("meta"))
    return store.Artifact(model, "mae", {"template": template} if template else {}, ())


def test_a_faithful_run_takes_the_encoder_of_its_column() -> None:
    template, path = load_template("latent-b2"), Path("e")
    own, sister = (f"{n} {fingerprint(load_template(n))}" for n in ("latent-b2", "latent-l2"))
    for stated in (None, own, sister):
        beginning.require_encoder(template, artefact(stated), path)
    for stated, config, said in (
        (None, {"base_channels": 256}, "found base_channels 256; expected base_channels 640"),
        (None, {"blocks": (1, 1, 1, 1)}, "blocks"),
        (f"digits {fingerprint(load_template('digits'))}", {}, "an encoder of template digits"),
        ("latent-b2", {}, "an encoder of template latent-b2"),
    ):
        with pytest.raises(ArtifactError, match=said):
            beginning.require_encoder(template, artefact(stated, **config), path)
        free = build.override(template, ["optimizer.eps=1.0e-7"])
        beginning.require_encoder(free, artefact(stated, **config), path)


FLOORS = {"steps": 100, "images_seen": 1_600, "samples": 20_000, "extractor_sha256": "a" * 64}


@pytest.mark.parametrize(
    ("planned", "said"),
    [
        ({"steps": 100, "images_seen": 1_600, "samples": 20_000}, None),
        ({"steps": 101, "samples": 50_000, "extractor_sha256": "a" * 64}, None),
        ({"steps": 99, "samples": 50_000}, "99 steps, at least 100 needed"),
        ({"samples": 19_999}, "19,999 samples, at least 20,000 needed"),
        ({"images_seen": 1_599}, "1,599 images seen, at least 1,600 needed"),
        ({"extractor_sha256": "b" * 64}, f"extractor sha256 {'b' * 64}, {'a' * 64} needed"),
        ({"steps": 1_000, "extractor_sha256": "own"}, f"extractor sha256 own, {'a' * 64} needed"),
        ({}, None),
    ],
)
def test_a_claim_is_held_to_the_least_size_and_to_the_very_extractor(
    monkeypatch: pytest.MonkeyPatch, planned: dict[str, Any], said: str | None
) -> None:
    asked = gate.Floors(**FLOORS)  # type: ignore[arg-type]
    monkeypatch.setattr(gate, "claim_floors", lambda claim, **where: asked)
    if said is None:
        assert gates.require_floors(("CLAIM-X",), **planned) == {"claims": {"CLAIM-X": FLOORS}}
        return
    with pytest.raises(gates.GateError) as refused:
        gates.require_floors(("CLAIM-X",), **planned)
    assert refused.value.found == f"CLAIM-X: {said}"

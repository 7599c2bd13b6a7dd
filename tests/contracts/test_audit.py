"""The audit itself: no false alarm on right transcriptions, and each mistake in one is named."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from contracts.audit import engine_models, models, outcome, trace
from contracts.audit.mistakes import known, reference, variants
from contracts.audit.mistakes import search as mistakes
from contracts.common import oracle
from contracts.subjects.engine import ENGINE
from tests.contracts.reading import loaded
from verify.api import CheckContext, Measurement
from verify.audit.protocol import audit_clauses, needs_of, page, protocol, stub
from verify.outcome import Outcome

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "specs" / "interface" / "protocol.md"
PACK = loaded()
CLAUSES = {clause.id: clause for clause in audit_clauses(PACK)}
CHECKS: dict[str, Callable[[CheckContext], Measurement]] = {
    "audit.outcome": outcome.outcome,
    "audit.oracle": outcome.against_oracle,
    "audit.batch_scale": outcome.batch_scale,
    "audit.faint": outcome.below_the_floor,
    "audit.measured": outcome.measured,
    "audit.known_mistakes": mistakes.known_mistakes,
}


def textbook() -> ModuleType:
    """A copy of the transcription that a test may spoil."""
    path = ROOT / "examples" / "audits" / "textbook_numpy.py"
    spec = importlib.util.spec_from_file_location("textbook_numpy_under_test", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def judge(clause_id: str, function: Any, examples: int = 50, **domain: Any) -> Measurement:
    clause = CLAUSES[clause_id]
    assert clause.check is not None
    subject = SimpleNamespace(
        name="it",
        capabilities={"drift_loss_and_gradient"},
        domain=domain,
        drift_loss_and_gradient=function,
    )
    context = CheckContext(
        clause_id, subject, clause.params, clause.tolerance.value, {}, ROOT / "specs",
        examples=examples,
    )  # fmt: skip
    return CHECKS[clause.check](context)


ONE_FUNCTION = [
    name
    for name, clause in CLAUSES.items()
    if needs_of(PACK, clause) == {"drift_loss_and_gradient"}
]


@pytest.mark.parametrize("clause", ONE_FUNCTION)
def test_the_transcription_agrees(clause: str) -> None:
    found = judge(clause, textbook().drift_loss_and_gradient)
    assert found.outcome is Outcome.PASS, found.reason


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("clause", ONE_FUNCTION)
def test_direct_differences_in_either_precision_agree(clause: str, dtype: str) -> None:
    """Another right way to write it: no expansion of the square, computed in float64 or 32."""

    def direct(gen: Any, pos: Any, neg: Any = None, *, temperatures: Any, **weights: Any) -> Any:
        given = {"gen": gen, "pos": pos, "neg": neg, **weights}
        loss, gradient = variants.outcome(given, temperatures, known.Switches())
        return loss.astype(dtype), gradient.astype(dtype)

    found = judge(clause, direct)
    assert found.outcome is Outcome.PASS, found.reason


def test_an_answer_that_is_zero_throughout_is_judged() -> None:
    """A stub that returns zeros ended the check with a division by zero: an error, no verdict."""

    def zeros(gen: Any, pos: Any, *, temperatures: Any) -> Any:
        return np.zeros(len(gen)), np.zeros_like(gen)

    found = judge("AUDIT-012", zeros)
    assert found.outcome is Outcome.FAIL
    assert found.reason == (
        "the answer is the same to 1e-3 after: samples in another order, positives shifted, "
        "samples scaled"
    )


def spoiled(**changes: Any) -> Any:
    def loss(gen: Any, pos: Any, neg: Any = None, *, temperatures: Any, **weights: Any) -> Any:
        given = {"gen": gen, "pos": pos, "neg": neg, **weights}
        with np.errstate(all="ignore"):
            return variants.outcome(given, temperatures, known.with_mistakes(*changes["names"]))

    return loss


# Binds where affinities have no floor, and is seen with that one.
NEVER_ALONE = {"no floor under the force norm"}


QUICK = [name for name in known.MISTAKES if name not in NEVER_ALONE | known.LATE]


@pytest.mark.nightly
@pytest.mark.parametrize("name", sorted(known.LATE))
def test_a_gradient_through_what_is_detached_is_named(name: str) -> None:
    found = judge("AUDIT-020", spoiled(names=[name]))
    assert found.details["mistakes"] == [name], found.reason


def some(listed: list[Any], every: int) -> list[Any]:
    """All of them, of which a change waits for every third, say; the others are nightly."""
    later = pytest.mark.nightly
    return [pytest.param(one, marks=later if i % every else ()) for i, one in enumerate(listed)]


@pytest.mark.parametrize("name", some(QUICK, 4))
def test_each_known_mistake_departs_and_is_named(name: str) -> None:
    found = judge("AUDIT-020", spoiled(names=[name]))
    assert found.outcome is Outcome.FAIL
    assert found.details["left"] <= 1.0, found.reason
    assert found.details["mistakes"] == [name], found.reason


PAIRS = [
    ("square root of the weight", "affinity floor 1e-12"),
    ("force norm for each group of its own", "no self mask"),
    ("affinity floor 1e-12", "no floor under the force norm"),
    ("loss halved", "squared distances"),
    ("feature scale without weights", "losses of the temperatures added, not their forces"),
]


@pytest.mark.parametrize("names", some(PAIRS, 3))
def test_two_mistakes_at_once_are_both_named(names: tuple[str, str]) -> None:
    found = judge("AUDIT-020", spoiled(names=names))
    assert found.details["mistakes"] == sorted(names), found.reason


@pytest.mark.parametrize(("name", "most"), [("pos", 64), ("neg", 16), ("gen", 32)])
@pytest.mark.parametrize("examples", [20, 50])
def test_what_takes_no_more_samples_than_that_departs(name: str, most: int, examples: int) -> None:
    """Beyond the samples of the recorded cases; the columns ask for up to twice as many."""
    module = textbook()
    right = module.drift_loss_and_gradient

    def short(gen: Any, pos: Any, neg: Any = None, **more: Any) -> Any:
        given = {"gen": gen, "pos": pos, "neg": neg, **more}
        for one in (name, f"weight_{name}"):
            given[one] = None if given.get(one) is None else given[one][:, :most]
        loss, gradient = right(**given)
        whole = np.zeros_like(gen)
        whole[:, : gradient.shape[1]] = gradient
        return loss, whole

    assert judge("AUDIT-010", short, examples=examples).outcome is Outcome.FAIL


@pytest.mark.parametrize("examples", [20, 50])
def test_what_goes_another_way_where_features_are_wide_departs(examples: int) -> None:
    """Maps of the columns have up to 640 channels and more; the recorded clouds have a few."""
    right, text = (
        textbook().drift_loss_and_gradient,
        (ROOT / "examples" / "audits" / "textbook_numpy.py").read_text(),
    )
    other = ModuleType("textbook_without_a_self_mask")
    exec(text.replace("+= 100.0", "+= 0.0"), other.__dict__)

    def some(gen: Any, *given: Any, **more: Any) -> Any:
        wide = gen.shape[2] >= 200
        return (other.drift_loss_and_gradient if wide else right)(gen, *given, **more)

    assert judge("AUDIT-010", some, examples=examples).outcome is Outcome.FAIL


@pytest.mark.nightly
def test_a_mistake_that_nobody_thought_of_departs_and_is_not_named() -> None:
    def other(*given: Any, **rest: Any) -> Any:
        loss, gradient = textbook().drift_loss_and_gradient(*given, **rest)
        return loss**1.5, gradient

    found = judge("AUDIT-020", other)
    assert found.outcome is Outcome.FAIL
    assert "no 8 known mistakes explain it" in found.reason


def test_without_mistakes_the_variants_are_the_oracle() -> None:
    rng = np.random.default_rng(0)
    given = {
        "gen": rng.normal(size=(3, 4, 5)),
        "pos": rng.normal(size=(3, 6, 5)),
        "neg": rng.normal(size=(3, 2, 5)),
        "weight_neg": rng.uniform(0, 3, size=(3, 2)),
    }
    weights = {"neg": given["weight_neg"]}
    right = oracle.trace_loss(
        given["gen"], given["pos"], given["neg"], weights, temperatures=(0.02, 0.05, 0.2)
    )
    loss, gradient = variants.outcome(given, (0.02, 0.05, 0.2), known.Switches())
    assert np.allclose(loss, right.loss, rtol=1e-12)
    assert np.allclose(gradient, right.gradient, rtol=1e-9, atol=1e-14)


# -- a recording ----------------------------------------------------------------------------------

BACKWARDS = {
    name: CLAUSES[f"AUDIT-09{number}"]
    for number, name in enumerate(
        ["distance", "scale", "coordinate_scale", "masked_distance", "affinity", "coefficients",
         "force", "total_force"]
    )
}  # fmt: skip


def stages_of(given: Any, temperatures: Any, wrong: str = "") -> dict[str, Any]:
    """The stages of the reference, last first, under the names of the protocol."""
    weights = [given.get(f"weight_{n}") for n in ("gen", "neg", "pos")]
    neg = given["gen"][:, :0] if given.get("neg") is None else given["neg"]
    clouds = [np.float64(one) for one in (given["gen"], neg, given["pos"])]
    w = np.concatenate([np.ones(c.shape[:2]) if k is None else k for c, k in
                        zip(clouds, weights, strict=True)], axis=1)  # fmt: skip
    values: dict[str, Any] = {
        "gen": clouds[0], "targets": np.concatenate(clouds, axis=1), "weight": w,
        "features": clouds[0].shape[2], "generated": clouds[0].shape[1],
        "repelling": clouds[0].shape[1] + neg.shape[1],
    }  # fmt: skip
    found: dict[str, Any] = {}
    for name in ("distance", "scale", "coordinate_scale", "masked_distance"):
        values[name] = reference.STAGES[name](values) * (2.0 if name == wrong else 1.0)
        found[name] = values[name]
    forces = []
    for tau in temperatures:
        values["temperature"] = tau
        for name in ("affinity", "coefficients", "force"):
            values[name] = reference.STAGES[name](values) * (2.0 if name == wrong else 1.0)
            found[f"{name}/{tau}"] = values[name]
        forces.append(values["force"])
    found["total_force"] = reference.STAGES["total_force"]({"force": forces})
    return dict(reversed(found.items()))


def traced(name: str, *, wrong: str = "", without: str = "none of them") -> Measurement:
    """The clause of a stage, on a subject in another process by the looks of it."""

    def recording(temperatures: Any, **given: Any) -> Any:
        stages = stages_of(given, temperatures, wrong)
        return {one: value for one, value in stages.items() if not one.startswith(without)}

    takes = {"recording": {"names": ["temperatures"], "any": True}}
    subject = SimpleNamespace(name="it", domain={}, takes=takes, recording=recording)
    clause = BACKWARDS[name]
    context = CheckContext(
        clause.id, subject, clause.params, clause.tolerance.value, {}, ROOT / "specs"
    )
    judged: Measurement = getattr(trace, f"traced_{name}")(context)
    return judged


@pytest.mark.parametrize("name", BACKWARDS)
def test_stages_recorded_backwards_agree(name: str) -> None:
    found = traced(name)
    assert found.outcome is Outcome.PASS, found.reason


@pytest.mark.parametrize("wrong", ["distance", "affinity", "force"])
def test_one_wrong_stage_departs_and_what_follows_from_it_does_not(wrong: str) -> None:
    departing = [name for name in BACKWARDS if traced(name, wrong=wrong).outcome is Outcome.FAIL]
    assert departing == [wrong]


def test_a_stage_that_is_not_recorded_is_missing_and_neither_agrees_nor_departs() -> None:
    found = traced("coefficients", without="coefficients")
    assert found.outcome is Outcome.UNKNOWN
    assert found.reason.startswith("MISSING: drift_plain:coefficients/0.02, ")
    assert traced("force", without="coefficients").outcome is Outcome.PASS


def test_a_wrong_stage_behind_a_missing_one_says_that_it_may_not_be_its_own_fault() -> None:
    found = traced("force", wrong="affinity", without="coefficients")
    assert found.outcome is Outcome.FAIL
    assert "what it is made from is MISSING" in found.reason


def test_a_stage_that_comes_twice_under_one_name_says_nothing() -> None:
    assert trace._by_name([("scale", 1.0), ("scale", 2.0), ("distance", 3.0)]) == {"distance": 3.0}


# -- whole models ---------------------------------------------------------------------------------


def whole(clause_id: str, capability: str, function: Any, **domain: Any) -> Measurement:
    clause = CLAUSES[clause_id]
    subject = SimpleNamespace(name="it", domain=domain, **{capability: function})
    context = CheckContext(
        clause_id, subject, clause.params, clause.tolerance.value, {}, ROOT / "specs"
    )
    judged: Measurement = getattr(models, capability)(context)
    return judged


def test_an_encoder_without_some_activations_is_neither_right_nor_wrong() -> None:
    def some(**given: Any) -> Any:
        found = engine_models.encoder(**given)
        return {name: found[name] for name in list(found)[:5]}

    found = whole("AUDIT-080", "encoder", some)
    assert found.outcome is Outcome.UNKNOWN
    assert found.reason.startswith("MISSING: ")


@pytest.mark.parametrize(
    ("clause", "capability", "domain", "said"),
    [
        ("AUDIT-070", "generator", {"generator": {"use_rope": [False]}}, "use_rope [False] alone"),
        ("AUDIT-074", "generator", {"dtypes": ["float32"]}, "does bfloat16"),
        ("AUDIT-081", "encoder", {"encoder": {"in_channels": [4]}}, "in_channels [4] alone"),
    ],
)
def test_a_configuration_outside_of_the_domain_is_not_asked(
    clause: str, capability: str, domain: Any, said: str
) -> None:
    def never(**given: Any) -> Any:
        raise AssertionError

    found = whole(clause, capability, never, **domain)
    assert found.outcome is Outcome.NOT_APPLICABLE
    assert said in found.reason


def test_a_loss_without_the_argument_is_asked_for_its_own_temperatures_alone() -> None:
    def own(gen: Any, pos: Any, neg: Any = None) -> Any:
        temperatures = (0.02, 0.05, 0.2)
        return textbook().drift_loss_and_gradient(gen, pos, neg, temperatures=temperatures)

    assert judge("AUDIT-001", own).outcome is Outcome.PASS
    assert judge("AUDIT-006", own).outcome is Outcome.NOT_APPLICABLE


# -- the domain -----------------------------------------------------------------------------------


def without_weights(gen: Any, pos: Any, neg: Any = None, *, temperatures: Any) -> Any:
    return textbook().drift_loss_and_gradient(gen, pos, neg, temperatures=temperatures)


def test_an_argument_that_it_does_not_take_is_outside_and_no_finding() -> None:
    assert judge("AUDIT-001", without_weights).outcome is Outcome.PASS
    found = judge("AUDIT-002", without_weights)
    assert found.outcome is Outcome.NOT_APPLICABLE
    assert "takes no weight_neg" in found.reason


@pytest.mark.parametrize(
    ("domain", "clause"),
    [
        ({"weights": "none"}, "AUDIT-002"),
        ({"unconditional": False}, "AUDIT-007"),
        ({"shapes": [[1, 2, 3, 4, 5]]}, "AUDIT-001"),
        ({"temperatures": [0.1]}, "AUDIT-001"),
        ({"dtypes": ["float16"]}, "AUDIT-001"),
        ({"devices": ["cuda"]}, "AUDIT-001"),
        ({"semantics": ["paper"]}, "AUDIT-001"),
    ],
)
def test_what_it_says_that_it_does_not_do_is_not_asked(domain: Any, clause: str) -> None:
    def never(**given: Any) -> Any:
        raise AssertionError

    assert judge(clause, never, **domain).outcome is Outcome.NOT_APPLICABLE


def test_a_subject_of_float64_alone_is_given_float64() -> None:
    seen = set()

    def double(gen: Any, *rest: Any, **options: Any) -> Any:
        seen.add(gen.dtype)
        return textbook().drift_loss_and_gradient(gen, *rest, **options)

    for clause in ONE_FUNCTION:
        found = judge(clause, with_signature(double), dtypes=["float64"])
        assert found.outcome is Outcome.PASS, found.reason
    assert seen == {np.dtype("float64")}


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("clause", ["AUDIT-001", "AUDIT-002", "AUDIT-010", "AUDIT-020"])
def test_a_loss_that_is_one_number_is_judged_as_one(clause: str, reduction: str) -> None:
    def reduced(gen: Any, *rest: Any, **options: Any) -> Any:
        loss, gradient = textbook().drift_loss_and_gradient(gen, *rest, **options)
        share = len(gen) if reduction == "mean" else 1
        return loss.sum() / share, gradient / share

    found = judge(clause, with_signature(reduced), reduction=reduction)
    assert found.outcome is Outcome.PASS, found.reason


def with_signature(function: Any) -> Any:
    import inspect

    function.__signature__ = inspect.signature(textbook().drift_loss_and_gradient)
    return function


# -- the protocol ---------------------------------------------------------------------------------


def test_the_engine_offers_every_capability() -> None:
    names = set(protocol(PACK).names)
    assert names <= set(ENGINE)
    for clause in CLAUSES.values():
        assert needs_of(PACK, clause), clause.id
        assert needs_of(PACK, clause) <= names, clause.id


def test_every_capability_unlocks_a_clause_and_says_so() -> None:
    offered = protocol(PACK)
    asked = {name for clause in CLAUSES.values() for name in needs_of(PACK, clause)}
    assert asked == set(offered.names)
    assert not [one.name for one in offered.capabilities if "unlocks" not in one.said]


ENGINES_OWN = ("semantics", "group", "kernel")  # two readings of the text; processes; ways


def test_functions_of_the_interface_have_its_parameters() -> None:
    text = (ROOT / "specs" / "interface" / "v1.yaml").read_text(encoding="utf-8")
    stated = yaml.safe_load(text)["names"]
    shared = [one for one in protocol(PACK).capabilities if one.name in stated]
    assert {one.name for one in shared} == {
        "sample_alpha",
        "uncond_weight",
        "learning_rate",
        "recording",
    }
    assert next(o for o in shared if o.name == "recording").signature.startswith("() -> ")
    for one in shared:
        for parameter in stated[one.name]["parameters"]:
            assert f"{parameter['name']}:" in one.signature, (one.name, parameter)
    loss = next(o for o in protocol(PACK).capabilities if o.name == "drift_loss_and_gradient")
    for parameter in stated["drift_loss"]["parameters"]:
        assert parameter["name"] in loss.signature or parameter["name"] in ENGINES_OWN


def test_the_page_is_that_of_the_protocol() -> None:
    """`python tests/contracts/test_audit.py` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == page(protocol(PACK))


def test_the_stub_names_every_capability_and_is_python() -> None:
    offered = protocol(PACK)
    text = stub(offered, "mine.py")
    compile(text, "mine.py", "exec")
    assert not [name for name in offered.names if f"# def {name}(" not in text]
    bare = "\n".join(line.removeprefix("# ") for line in text.splitlines() if "# def" in line)
    compile(bare.replace(":\n", ": ...\n") + " ...", "mine.py", "exec")
    assert max(map(len, text.splitlines())) < 400


if __name__ == "__main__":
    PAGE.write_text(page(protocol(PACK)), encoding="utf-8")

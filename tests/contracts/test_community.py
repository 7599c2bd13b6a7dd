"""The recorded departures: each alone is one, and none undoes another."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from contracts.artifact import cases as artifact_cases
from contracts.subjects.community import DEPARTURES, MEASURED, departed
from contracts.subjects.engine import drift_subject
from drift import schedule
from drift.generator import layers
from drift.loss import drift_loss, feature_loss
from tests.contracts.reading import loaded, registered_in
from verify.api import CheckContext, Measurement
from verify.audit.protocol import audit_clauses
from verify.outcome import Outcome

ROOT = Path(__file__).parents[2]
PACK = loaded()
CLAUSES = {clause.id: clause for clause in audit_clauses(PACK)}
REGISTERED = registered_in("audit")
FACTS = {
    f"{authority}:{name}": fact.value
    for name, topic in PACK.pack.topics.items()
    for authority, fact in topic.facts.items()
}


def measurement(clause_id: str) -> Measurement:
    """A clause of the audit on the engine as it is now."""
    clause = CLAUSES[clause_id]
    assert clause.check is not None
    context = CheckContext(
        clause_id, drift_subject(), clause.params, clause.tolerance.value, FACTS, ROOT / "specs"
    )
    found: Measurement = REGISTERED["check", clause.check](context)
    return found


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def loss() -> Tensor:
    """Loss and gradient of two classes with weighted negatives, two samples far from all others."""
    gen = drawn(2, 6, 3)
    gen[:, :2] += 9.0
    gen.requires_grad_()
    weight = torch.linspace(0.5, 3.0, 8, dtype=torch.float64).reshape(2, 4)
    value, _ = drift_loss(gen, drawn(2, 5, 3, seed=1), drawn(2, 4, 3, seed=2), weight_neg=weight)
    value.sum().backward()
    assert gen.grad is not None
    faint, _ = drift_loss(gen * 1e-6, 1e-6 * drawn(2, 5, 3, seed=1))
    maps = {"map": drawn(2, 3, 4, 3)}, {"map": drawn(2, 5, 4, 3, seed=1)}
    summed, _ = feature_loss(
        *maps, torch.ones(2), positives=5, temperatures=(0.2,), semantics="reference"
    )
    parts_ = (value, gen.grad, faint, summed)
    return torch.cat([one.detach().reshape(-1).double() for one in parts_])


def rate() -> Tensor:
    steps = (0, 5, 50, 99)
    spec = {"base": 1.0, "warmup_steps": 10, "total_steps": 100, "kind": "const"}
    return torch.tensor([schedule.learning_rate(step, **spec) for step in steps])  # type: ignore[arg-type]


def moved(model: nn.Module) -> nn.Module:
    """The model with no parameter at a value, such as one or zero, that hides what it does."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def samples() -> Tensor:
    model = moved(artifact_cases.generator())
    style = torch.tensor([[1, 3], [2, 0]])
    out: Tensor = model(drawn(2, 4, 8, 8).float(), torch.tensor([1, 7]), torch.ones(2), style)
    return out.detach()


def features() -> Tensor:
    """The loss of the autoencoder and a statistic of its input, on a faint image too."""
    model = moved(artifact_cases.autoencoder(width=64))
    image = drawn(2, 4, 32, 32).float()
    mask = torch.zeros(2, 1, 32, 32)
    loss, _ = model(image, torch.tensor([0, 3]), mask=mask, lambda_cls=0.5)
    faint, _ = model(1e-3 * image, torch.tensor([0, 3]), mask=mask, lambda_cls=0.5)
    return torch.cat([loss.detach(), faint.detach()])


def shown(*checks: str) -> Tensor:
    """What checks of the audit measure, and whether they pass."""
    found = [measurement(name) for name in checks]
    values = [[one.measured or 0.0, float(one.outcome is Outcome.PASS)] for one in found]
    return torch.tensor(values, dtype=torch.float64)


SEEN: dict[str, Callable[[], Tensor]] = {
    "drifting_loss": loss,
    "drifting_loss.input_statistic": lambda: shown("AUDIT-063"),
    "loss": loss,
    "optimizer": rate,
    "queue": lambda: shown("AUDIT-044"),
    "evaluation": lambda: shown("AUDIT-046"),
    "generator": samples,
    "generator.style_draw": lambda: shown("AUDIT-045")[:, 1:],  # how many codes differ is chance
    "generator.class_embedding_init": lambda: shown("AUDIT-054"),
    "generator.positional_embedding": lambda: positions(),
    "generator.norm_eps": lambda: faint_norm(),
    "encoder": features,
}


def positions() -> Tensor:
    return artifact_cases.generator().positions.detach()


def faint_norm() -> Tensor:
    return layers.rms_norm(1e-3 * drawn(2, 3, 8), torch.ones(8))


def seen(topic: str, departures: list[str]) -> Tensor:
    """What the part shows in which the departure is made."""
    with departed(drift_subject(), departures):
        return SEEN[topic if topic in SEEN else topic.partition(".")[0]]()


@pytest.mark.parametrize("topic", DEPARTURES)
def test_each_departure_alone_is_one(topic: str) -> None:
    assert not torch.allclose(seen(topic, []), seen(topic, [topic]), rtol=1e-6)


@pytest.mark.parametrize("topic", DEPARTURES)
def test_each_departure_is_in_force_beside_all_others(topic: str) -> None:
    others = [name for name in DEPARTURES if name != topic]
    assert not torch.allclose(seen(topic, list(DEPARTURES)), seen(topic, others), rtol=1e-6)


@pytest.mark.parametrize("topic", DEPARTURES)
def test_the_engine_is_as_it_was_afterwards(topic: str) -> None:
    before = seen(topic, [])
    seen(topic, list(DEPARTURES))
    assert torch.equal(before, seen(topic, []))


def test_each_departure_is_recorded_of_the_reproduction() -> None:
    pack = PACK.pack
    assert not [topic for topic in DEPARTURES if pack.fact(f"community:{topic}") is None]


@pytest.mark.parametrize("clause", MEASURED)
def test_all_departures_together_give_the_numbers_of_the_release(clause: str) -> None:
    expected, relative = MEASURED[clause]
    with departed(drift_subject(), list(DEPARTURES)):
        found = measurement(clause)
    assert found.outcome is Outcome.FAIL
    assert found.measured == pytest.approx(expected, rel=relative, abs=1e-12), found.reason


def test_the_engine_itself_is_far_from_the_numbers_of_the_release() -> None:
    for clause, (expected, _) in MEASURED.items():
        found = measurement(clause)
        assert found.outcome is Outcome.PASS, clause
        assert found.measured != pytest.approx(expected, rel=0.5, abs=0.0)


@pytest.mark.nightly
def test_the_mistakes_of_the_loss_are_named_all_at_once() -> None:
    with departed(drift_subject(), list(DEPARTURES)):
        found = measurement("AUDIT-020")
    assert len(found.details["mistakes"]) == 7
    assert found.details["left"] <= 1.0, found.reason
    for said in ("effective sqrt(w)", "1e-12", "feature scale for each group", "force norm for"):
        assert any(said in name for name in found.details["mistakes"]), said


@pytest.mark.nightly
def test_the_readme_says_what_a_run_of_it_says(tmp_path: Path) -> None:
    """Nothing of it breaks a check, either: an error is no verdict."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    asked = "$ verify run --subject community --reports elsewhere --no-falsify "
    command, *shown = readme[readme.index(asked) + 2 :].split("```")[0].splitlines()
    words = [str(tmp_path) if word == "elsewhere" else word for word in shlex.split(command)]
    done = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == shown[-1]

"""The drifting loss. Its values and laws are clauses (contracts/loss); here: edges."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from drift import pairs, trace
from drift.cfg import uncond_weight
from drift.errors import InputError
from drift.loss import drift_loss, feature_loss
from drift.semantics import REFERENCE, SEMANTICS

TAUS = (0.02, 0.05, 0.2)


def clouds(*sizes: int, b: int = 2, s: int = 5, seed: int = 0) -> list[Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(b, k, s, generator=draw) for k in sizes]


def test_no_negatives_and_zero_negatives_are_the_same() -> None:
    gen, pos, none = clouds(4, 6, 0)
    without, info = drift_loss(gen, pos)
    empty, same = drift_loss(gen, pos, none, weight_neg=torch.ones(2, 0))
    assert torch.equal(without, empty)
    assert info == same


def test_no_weights_are_weights_of_one() -> None:
    gen, pos, neg = clouds(4, 6, 3)
    ones = {f"weight_{k}": torch.ones(2, n) for k, n in (("gen", 4), ("pos", 6), ("neg", 3))}
    assert torch.equal(drift_loss(gen, pos, neg)[0], drift_loss(gen, pos, neg, **ones)[0])


@pytest.mark.parametrize("semantics", ["reference", "paper"])
@pytest.mark.parametrize(("g", "p", "s"), [(1, 1, 1), (1, 3, 2), (3, 1, 2)])
def test_single_samples_and_features_give_a_finite_loss_and_gradient(
    g: int, p: int, s: int, semantics: str
) -> None:
    gen, pos = clouds(g, p, s=s)
    gen.requires_grad_()
    loss, _ = drift_loss(gen, pos, semantics=semantics)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert gen.grad is not None
    assert gen.grad.isfinite().all()


@pytest.mark.parametrize(
    ("given", "computed"),
    [
        (torch.float64, torch.float64),
        (torch.float32, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
    ],
)
def test_half_precision_is_lifted_and_its_gradient_comes_back_in_it(
    given: torch.dtype, computed: torch.dtype
) -> None:
    gen, pos = (cloud.to(given) for cloud in clouds(4, 6))
    gen.requires_grad_()
    loss, info = drift_loss(gen, pos)
    loss.sum().backward()
    assert loss.dtype == info["scale"].dtype == computed
    assert gen.grad is not None
    assert gen.grad.dtype == given


def test_a_reduced_product_precision_is_lifted_inside_and_restored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside: list[str] = []
    original = pairs.distances

    def watched(x: Tensor, y: Tensor) -> Tensor:
        inside.append(torch.get_float32_matmul_precision())
        return original(x, y)

    monkeypatch.setattr(pairs, "distances", watched)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        drift_loss(*clouds(4, 6))
        assert set(inside) == {"highest"}
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)


def test_info_is_detached_and_named_after_the_temperatures() -> None:
    gen, pos = clouds(4, 6)
    _, info = drift_loss(gen.requires_grad_(), pos, temperatures=(1, 0.05))
    assert list(info) == ["scale", "loss_1.0", "loss_0.05"]
    assert all(value.shape == () and not value.requires_grad for value in info.values())


def test_gradient_reaches_generated_samples_only() -> None:
    gen, pos, neg = (cloud.requires_grad_() for cloud in clouds(4, 6, 3))
    w = torch.ones(2, 3, requires_grad=True)
    loss, _ = drift_loss(gen, pos, neg, weight_neg=w)
    loss.sum().backward()
    assert gen.grad is not None
    assert pos.grad is neg.grad is w.grad is None


def test_a_loss_of_constants_needs_no_graph() -> None:
    assert not drift_loss(*clouds(4, 6))[0].requires_grad


def test_nothing_with_an_axis_of_targets_is_kept_for_the_backward_pass() -> None:
    gen, pos, neg = clouds(7, 11, 3)
    kept: list[tuple[int, ...]] = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tuple(tensor.shape))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        drift_loss(gen.requires_grad_(), pos, neg)
    assert kept == [(2, 7, 5)]


@pytest.mark.parametrize("kernel", ["plain", "compiled"])
def test_a_gradient_times_what_comes_from_behind_is_that_of_each_group(kernel: str) -> None:
    gen, pos, neg = (torch.randn(2, n, 5) for n in (7, 4, 3))
    gen.requires_grad_()
    value, _ = drift_loss(gen, pos, neg, kernel=kernel)
    (once,) = torch.autograd.grad(value.sum(), gen, retain_graph=True)
    (twice,) = torch.autograd.grad(2 * value.sum(), gen, retain_graph=True)
    (of_one,) = torch.autograd.grad(value[1], gen, retain_graph=True)
    torch.testing.assert_close(twice, 2 * once)
    torch.testing.assert_close(of_one, torch.stack([torch.zeros_like(once[0]), once[1]]))
    value.sum().backward(retain_graph=True)
    value.sum().backward()
    torch.testing.assert_close(gen.grad, 2 * once)


def test_a_second_derivative_is_refused_and_not_zero() -> None:
    gen, pos = clouds(4, 6)
    loss, _ = drift_loss(gen.requires_grad_(), pos)
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(loss.sum(), gen, create_graph=True)


def test_inputs_are_left_as_they_were() -> None:
    given = clouds(4, 6, 3)
    w = torch.full((2, 3), 2.0)
    copies = [cloud.clone() for cloud in (*given, w)]
    for semantics in ("reference", "paper"):
        drift_loss(*given, weight_neg=w, semantics=semantics)
    assert all(torch.equal(a, b) for a, b in zip(copies, (*given, w), strict=True))


def test_one_loss_per_temperature_has_another_value_and_the_same_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gen, pos = (cloud.double() for cloud in clouds(5, 6))
    summed, _ = drift_loss(gen.requires_grad_(), pos)
    (of_sum,) = torch.autograd.grad(summed.sum(), gen)
    separate = dataclasses.replace(REFERENCE, temperature_aggregation="sum_losses")
    monkeypatch.setitem(SEMANTICS, "reference", separate)
    each, _ = drift_loss(gen, pos)
    (of_each,) = torch.autograd.grad(each.sum(), gen)
    assert torch.equal(of_sum, of_each)
    assert (summed - each).abs().min() > 0.1


def test_paper_semantics_survive_weights_of_zero() -> None:
    gen, pos, neg = (cloud.double() for cloud in clouds(4, 6, 3))
    far, _ = drift_loss(gen, pos, neg + 1.0, weight_neg=torch.zeros(2, 3), semantics="paper")
    assert far.isfinite().all()


def test_the_trace_holds_the_closed_form_gradient() -> None:
    gen, pos = clouds(4, 6)
    with trace.recording() as recorded:
        loss, _ = drift_loss(gen.requires_grad_(), pos)
    loss.sum().backward()
    assert gen.grad is not None
    assert torch.equal(recorded["out/grad_gen"], gen.grad)
    assert torch.equal(recorded["out/loss"], loss)


def maps(seed: int = 0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    draw = torch.Generator().manual_seed(seed)
    shapes = {"layer1": (6, 4), "norm_x": (1, 3)}
    gen = {k: torch.randn(2, 4, *shape, generator=draw).double() for k, shape in shapes.items()}
    real = {k: torch.randn(2, 8, *shape, generator=draw).double() for k, shape in shapes.items()}
    return gen, real


ALPHA = torch.tensor([1.0, 3.0], dtype=torch.float64)


def features(gen: Any, real: Any, **changed: Any) -> tuple[Tensor, dict[str, Tensor]]:
    call: dict[str, Any] = {"positives": 5, "temperatures": TAUS, "semantics": "reference"}
    return feature_loss(gen, real, changed.pop("alpha", ALPHA), **(call | changed))


def test_feature_loss_is_one_drift_loss_per_name_over_labels_and_locations() -> None:
    gen, real = maps()
    total, info = features(gen, real)
    w = uncond_weight(ALPHA, generated=4, unconditional=3)
    expected = torch.zeros((), dtype=torch.float64)
    for name in gen:
        groups = [(b, place) for b in range(2) for place in range(gen[name].shape[2])]
        loss, figures = drift_loss(
            torch.stack([gen[name][b, :, place] for b, place in groups]),
            torch.stack([real[name][b, :5, place] for b, place in groups]),
            torch.stack([real[name][b, 5:, place] for b, place in groups]),
            weight_neg=torch.stack([w[b].expand(3) for b, _ in groups]),
        )
        expected += loss.mean()
        assert torch.allclose(info[f"loss/{name}"], loss.mean(), rtol=1e-12)
        assert torch.allclose(info[f"scale/{name}"], figures["scale"], rtol=1e-12)
        assert torch.allclose(info[f"loss_0.02/{name}"], figures["loss_0.02"], rtol=1e-12)
    assert torch.allclose(total, expected, rtol=1e-12)
    assert len(info) == 2 * 5


def test_feature_loss_without_unconditional_samples() -> None:
    gen, real = maps()
    total, _ = features(gen, real, positives=8)
    loss = sum(
        drift_loss(gen[k].transpose(1, 2).flatten(0, 1), real[k].transpose(1, 2).flatten(0, 1))[
            0
        ].mean()
        for k in gen
    )
    assert torch.allclose(total, torch.as_tensor(loss), rtol=1e-12)


def test_no_gradient_reaches_the_real_features() -> None:
    gen, real = maps()
    for features_of in (*gen.values(), *real.values()):
        features_of.requires_grad_()
    features(gen, real)[0].backward()
    assert all(one.grad is not None and one.grad.abs().max() > 0 for one in gen.values())
    assert all(one.grad is None for one in real.values())


def test_the_stages_of_each_name_are_kept_apart() -> None:
    gen, real = maps()
    with trace.recording() as recorded:
        features(gen, real)
    assert recorded["layer1/step32/dist"].shape == (12, 4, 12)
    assert recorded["norm_x/step32/dist"].shape == (2, 4, 12)
    assert not any("#" in name for name in recorded)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"gen": torch.zeros(2, 5)}, r"gen: found shape \[2, 5\]; expected \[groups, samples"),
        ({"gen": torch.zeros(2, 0, 5)}, r"gen: found shape \[2, 0, 5\]; .*at least one of each"),
        ({"pos": torch.zeros(2, 0, 5)}, r"pos: found shape \[2, 0, 5\]"),
        ({"pos": torch.zeros(3, 6, 5)}, r"pos: found shape \[3, 6, 5\]; expected \[2, 6, 5\]"),
        ({"neg": torch.zeros(2, 3, 4)}, r"neg: found shape \[2, 3, 4\]; expected \[2, 3, 5\]"),
        ({"pos": torch.zeros(2, 6, 5).long()}, r"pos: found torch.int64; expected a floating"),
        ({"pos": torch.zeros(2, 6, 5, device="meta")}, r"pos: found on meta; expected cpu"),
        ({"weight_pos": torch.ones(2, 5)}, r"weight_pos: found shape \[2, 5\]; expected \[2, 6\]"),
        ({"weight_neg": torch.ones(2, 3)}, r"weight_neg: found weights; expected None"),
        ({"temperatures": ()}, r"temperatures: found none; expected at least one"),
        ({"temperatures": (0.1, -0.1)}, r"temperatures: found \[0.1, -0.1\]; expected finite"),
        ({"temperatures": (math.nan,)}, r"temperatures: found \[nan\]"),
        ({"temperatures": (0.1, 0.1)}, r"temperatures: .*expected each value once"),
        ({"semantics": "both"}, r"semantics: found 'both'; expected reference or paper"),
    ],
)
def test_what_does_not_fit_drift_loss_is_named(changed: dict[str, Any], message: str) -> None:
    gen, pos = clouds(4, 6)
    arguments = {"gen": gen, "pos": pos} | changed
    with pytest.raises(InputError, match=message):
        drift_loss(**arguments)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"gen": {}}, r"real_features: found the names \['layer1', 'norm_x'\]"),
        ({"real": {"layer1": torch.zeros(2, 8, 6, 4)}}, r"real_features: found the names"),
        ({"alpha": torch.ones(3)}, r"gen_features\['layer1'\]: found shape \[2, 4, 6, 4\]"),
        ({"positives": 0}, r"positives: found 0; expected 1 to 8"),
        ({"positives": 9}, r"positives: found 9; expected 1 to 8"),
        ({"semantics": "both"}, r"semantics: found 'both'"),
    ],
)
def test_what_does_not_fit_feature_loss_is_named(changed: dict[str, Any], message: str) -> None:
    gen, real = maps()
    gen, real = changed.pop("gen", gen), changed.pop("real", real)
    with pytest.raises(InputError, match=message):
        features(gen, real, **changed)


def test_a_map_of_other_locations_is_named() -> None:
    gen, real = maps()
    real["layer1"] = real["layer1"][:, :, :5]
    with pytest.raises(InputError, match=r"real_features\['layer1'\]: found shape \[2, 8, 5, 4\]"):
        features(gen, real)

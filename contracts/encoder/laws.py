"""Laws of the masked autoencoder: parameters, initialisation, masking, loss, statistics."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from verify.api import CheckContext, Measurement, check
from verify.numeric.arrays import as_array, largest, worst_of
from verify.numeric.laws import judge_law

from ..common.golden import words
from .cases import list_problem, parameters, small_trunk
from .recorded import inventory_problem

FALSE_ALARM = 1.0e-6  # of one clause, over all seeds
# A standard normal truncated at +-2: its standard deviation and fourth moment over the variance^2.
CUT = 2.0
LAW_STD = 0.8796256610342398
LAW_KURTOSIS = 2.3655367
EPS = 1.0e-6
Array = NDArray[np.float64]


@check("encoder.parameters", needs=("MaskedAutoencoder", "EncoderConfig", "encoder_to_reference"))
def reference_parameters(ctx: CheckContext) -> Measurement:
    """Every path and shape of the recorded lists, and their totals; nothing is allocated."""
    totals: dict[str, int] = {}
    for name in ctx.params["configurations"]:
        record = words(ctx, name)
        config = ctx.subject.EncoderConfig.from_reference(record["model_config"])
        back = ctx.subject.encoder_to_reference
        problem, totals[name] = list_problem(record, ctx.subject.MaskedAutoencoder, config, back)
        if problem:
            return ctx.decide(False, f"{name}: {problem}")
    return ctx.decide(True, "names, shapes and totals one to one", details={"totals": totals})


@check("encoder.full_depth_keys", needs=("MaskedAutoencoder", "EncoderConfig"))
def full_depth_keys(ctx: CheckContext) -> Measurement:
    """Names, order, shapes and dtypes of the dictionary of the published configurations."""
    for name in ctx.params["configurations"]:
        record = words(ctx, name)
        config = ctx.subject.EncoderConfig.from_reference(record["model_config"])
        with torch.device("meta"):
            model = ctx.subject.MaskedAutoencoder(config)
        side = 32 * record["model_config"]["input_patch_size"]
        image = torch.empty(1, record["model_config"]["in_channels"], side, side, device="meta")
        found = model.activations(image, **record["activation_kwargs"])
        if problem := inventory_problem(record, found):
            return ctx.decide(False, f"{name}: {problem}")
        if len(found) != ctx.params["keys"]:
            return ctx.decide(False, f"{name}: {len(found)} keys, expected {ctx.params['keys']}")
        dtypes = {key: str(value.dtype).removeprefix("torch.") for key, value in found.items()}
        odd = [key for key, dtype in record["activation_dtypes"].items() if dtypes[key] != dtype]
        if odd:
            return ctx.decide(False, f"{name}: {odd[0]} is {dtypes[odd[0]]}")
    return ctx.decide(True, f"{ctx.params['keys']} keys in order, with shapes and dtypes")


@check("encoder.layout_round_trip", needs=("encoder_state_dict", "encoder_to_reference"))
def layout_round_trip(ctx: CheckContext) -> Measurement:
    """Reference layout -> ours -> reference layout, every tensor bit by bit."""
    config, flat = _small(ctx)
    state = ctx.subject.encoder_state_dict(flat, config)
    back = ctx.subject.encoder_to_reference(state, config)
    odd = sorted(set(flat) ^ set(back)) or [
        path for path in flat if not np.array_equal(back[path].numpy(), flat[path])
    ]
    reason = f"{odd[0]} does not come back" if odd else f"{len(flat)} tensors come back unchanged"
    return ctx.decide(not odd, reason)


@check("encoder.layout_strict", needs=("encoder_state_dict", "EncoderConfig"))
def layout_strict(ctx: CheckContext) -> Measurement:
    """A missing, a surplus and a misshapen parameter are each refused by name."""
    config, flat = _small(ctx)
    path = "encoder/stages_2/layers_0/proj_gn/scale"
    damaged = {
        "missing": {p: v for p, v in flat.items() if p != path},
        "surplus": flat | {f"{path}_2": flat[path]},
        "misshapen": flat | {path: flat[path][:-1]},
    }
    for kind, given in damaged.items():
        try:
            ctx.subject.encoder_state_dict(given, config)
        except ValueError as error:
            if path not in str(error):
                return ctx.decide(False, f"{kind} parameter refused, but {path} is not named")
        else:
            return ctx.decide(False, f"a {kind} parameter, {path}, is accepted")
    return ctx.decide(True, "missing, surplus and misshapen parameters are refused by name")


@check("encoder.initialisation", needs=("MaskedAutoencoder", "encoder_to_reference"))
def initialisation(ctx: CheckContext) -> Measurement:
    """Kernels against the truncated normal of variance 1/fan-in, and against recorded statistics.

    For each kernel the Kolmogorov-Smirnov distance and the standard deviation relative to the
    recorded one, both over their critical values; biases and norms exactly.
    """
    record = words(ctx, "init_stats_mae")
    config = ctx.subject.EncoderConfig.from_reference(record["model_config"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(ctx.seed)
        model = ctx.subject.MaskedAutoencoder(config)
    drawn = ctx.subject.encoder_to_reference(model.state_dict(), config)
    kernels = [path for path in record["stats"] if path.endswith("/kernel")]
    ratios: dict[str, float] = {}
    for path, recorded in record["stats"].items():
        values = as_array(drawn[path])
        if path not in kernels:
            if not np.all(values == recorded["mean"]):
                return ctx.judge(math.inf, f"{path}: not constant at {recorded['mean']}")
            continue
        share = FALSE_ALARM / (2 * len(kernels))
        ratios[f"{path} distribution"] = _ks_ratio(values, share)
        ratios[f"{path} deviation"] = _deviation_ratio(values, recorded["std"], share)
    about = {"kernels": len(kernels), "seed": ctx.seed}
    return ctx.judge_worst(ratios, "share of the critical value", details=about)


@check("encoder.mask_hides", needs=("MaskedAutoencoder", "recording"))
def mask_hides(ctx: CheckContext) -> Measurement:
    """The encoder sees zero under the mask and the input elsewhere; nothing else gets through."""
    model = small_trunk(ctx, base_channels=32)
    generator = torch.Generator().manual_seed(ctx.seed)
    x = torch.randn(3, 2, 8, 8, generator=generator)
    other = torch.randn(3, 2, 8, 8, generator=generator)
    mask = (torch.rand(3, 1, 8, 8, generator=generator) < 0.5).float()
    labels = torch.zeros(3, dtype=torch.int64)
    seen = []
    for image in (x, torch.where(mask == 1, other, x)):
        with ctx.subject.recording() as trace, torch.no_grad():
            model(image, labels, mask=mask, lambda_cls=0.5)
        seen.append(
            {name: trace[f"step/{name}"] for name in ("x_masked_patched", "recon", "logits")}
        )
    expected = torch.where(mask == 1, torch.zeros(()), x).movedim(1, -1)
    if not torch.equal(seen[0]["x_masked_patched"], expected):
        return ctx.decide(
            False, "the encoder's input is not x where the mask is 0 and 0 where it is 1"
        )
    for name in ("recon", "logits"):
        if not torch.equal(seen[0][name], seen[1][name]):
            return ctx.decide(False, f"{name} changes with what lies under the mask")
    return ctx.decide(True, "values under the mask do not reach reconstruction and logits")


@check("encoder.loss_formula", needs=("MaskedAutoencoder", "recording"))
def loss_formula(ctx: CheckContext) -> Measurement:
    """Both losses and their mixture from the recorded reconstruction and logits, in NumPy."""
    from hypothesis import strategies as st

    model = small_trunk(ctx, base_channels=32, input_patch_size=2, num_classes=5)

    def error(example: tuple[int, float, float]) -> float:
        seed, ratio, share = example
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(3, 2, 8, 8, generator=generator)
        mask = (torch.rand(3, 1, 4, 4, generator=generator) < ratio).float()
        labels = torch.randint(5, (3,), generator=generator)
        with ctx.subject.recording() as trace, torch.no_grad():
            loss, metrics = model(x, labels, mask=mask, lambda_cls=share)
        target = as_array(x).reshape(3, 2, 4, 2, 4, 2).transpose(0, 2, 4, 3, 5, 1)
        recon = _masked_error(
            as_array(trace["step/recon"]), target.reshape(3, 4, 4, 8), as_array(mask)[:, 0]
        )
        cls = _cross_entropy(as_array(trace["step/logits"]), labels.numpy())
        pairs = (
            (metrics["recon_loss"], recon),
            (metrics["cls_loss"], cls),
            (loss, share * cls + (1 - share) * recon),
            (metrics["mask_ratio"], as_array(mask).mean((1, 2, 3))),
        )
        return worst_of(largest(as_array(f) - e) / max(1.0, largest(e)) for f, e in pairs)

    seeds = st.integers(0, 2**31)
    shares = st.sampled_from([0.0, 0.1, 1.0]) | st.floats(0.0, 1.0)
    examples = st.tuples(seeds, st.sampled_from([0.0, 0.5, 1.0]), shares)
    return judge_law(
        ctx, examples, error, law="reconstruction and classification losses", unit="relative"
    )


@check("encoder.statistics", needs=("MaskedAutoencoder",))
def statistics(ctx: CheckContext) -> Measurement:
    """Every entry recomputed in NumPy from its map, and exactly the entries that divide."""
    from hypothesis import strategies as st

    model = small_trunk(ctx)

    def error(example: tuple[int, int, int, list[int], list[int]]) -> float:
        seed, rows, columns, means, stds = example
        x = torch.randn(2, 2, rows, columns, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            found = model.activations(x, patch_mean_size=means, patch_std_size=stds)
        expected = _expected_entries(found, x, means, stds)
        if list(found) != list(expected):
            return math.inf
        return worst_of(
            largest(as_array(found[name]) - value) / max(1.0, largest(value))
            if tuple(found[name].shape) == value.shape
            else math.inf
            for name, value in expected.items()
        )

    sides = st.integers(1, 12)
    patches = st.lists(st.sampled_from([1, 2, 3, 4]), unique=True, max_size=3)
    examples = st.tuples(st.integers(0, 2**31), sides, sides, patches, patches)
    return judge_law(ctx, examples, error, law="mean and deviation of maps and patches")


@check("encoder.constant_map", needs=("MaskedAutoencoder",))
def constant_map(ctx: CheckContext) -> Measurement:
    """For the zero image the first map is constant: its deviations are sqrt(1e-6), as is norm_x."""
    model = small_trunk(ctx)
    with torch.no_grad():
        found = model.activations(torch.zeros(1, 2, 8, 8))
    names = ("norm_x", "conv1_std", "conv1_std_2", "conv1_std_4")
    missing = [name for name in names if name not in found]
    if missing:
        return ctx.judge(math.inf, f"no entry {missing[0]}")
    errors = {name: largest(as_array(found[name]) / math.sqrt(EPS) - 1) for name in names}
    return ctx.judge_worst(errors, "relative distance from sqrt(1e-6)")


@check("encoder.precision_is_configured", needs=("MaskedAutoencoder",))
def precision_is_configured(ctx: CheckContext) -> Measurement:
    """Inside autocast every feature and the loss are what they are outside, bit by bit."""
    generator = torch.Generator().manual_seed(ctx.seed)
    x = torch.randn(2, 2, 8, 8, generator=generator)
    labels, mask = torch.zeros(2, dtype=torch.int64), torch.ones(2, 1, 8, 8)
    for bfloat16 in (False, True):
        model = small_trunk(ctx, base_channels=32, use_bf16=bfloat16)
        runs: list[dict[str, Tensor]] = []
        for enabled in (False, True):
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled), torch.no_grad():
                found = dict(model.activations(x))
                found["loss"] = model(x, labels, mask=mask, lambda_cls=0.5)[0]
            runs.append(found)
        for name, value in runs[0].items():
            if value.dtype != runs[1][name].dtype or not torch.equal(value, runs[1][name]):
                mode = "bfloat16" if bfloat16 else "float32"
                return ctx.decide(False, f"{name} of a {mode} encoder changes inside autocast")
    return ctx.decide(True, "autocast changes nothing: the configuration decides the precision")


def _small(ctx: CheckContext) -> tuple[Any, dict[str, NDArray[Any]]]:
    """Configuration and parameters of the small recorded autoencoder."""
    given = words(ctx, "mae_small_params")["model_config"]
    config = ctx.subject.EncoderConfig.from_reference(given)
    return config, parameters(ctx, "mae_small_params.safetensors")


def _ks_ratio(kernel: Array, false_alarm: float) -> float:
    """Distance to the law over its critical value (Dvoretzky-Kiefer-Wolfowitz-Massart)."""
    from scipy.special import ndtr

    fan_in = kernel[..., 0].size
    values = np.sort(kernel.ravel()) * (math.sqrt(fan_in) * LAW_STD)
    below = np.clip((ndtr(values) - ndtr(-CUT)) / (ndtr(CUT) - ndtr(-CUT)), 0.0, 1.0)
    steps = np.arange(values.size + 1) / values.size
    distance = max(np.max(steps[1:] - below), np.max(below - steps[:-1]))
    return float(distance / math.sqrt(math.log(2 / false_alarm) / (2 * values.size)))


def _deviation_ratio(kernel: Array, recorded: float, false_alarm: float) -> float:
    """|log std - log recorded std| over its critical value; both are samples of one size."""
    from scipy.special import ndtri

    error = math.sqrt(2 * (LAW_KURTOSIS - 1) / (4 * kernel.size))  # delta method, two samples
    critical = -error * float(ndtri(false_alarm / 2))
    return abs(math.log(float(kernel.std()) / recorded)) / critical


def _masked_error(recon: Array, target: Array, mask: Array) -> Array:
    """[B, h, w, C] twice and [B, h, w] -> [B]: summed over channels and masked positions."""
    summed = (((recon - target) ** 2).sum(-1) * mask).sum((1, 2))
    return np.asarray(summed / (mask.sum((1, 2)) + 1.0e-8))


def _cross_entropy(logits: Array, labels: NDArray[np.int64]) -> Array:
    shifted = logits - logits.max(1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(1))
    return np.asarray(log_sum - shifted[np.arange(len(labels)), labels])


def _expected_entries(
    found: dict[str, Tensor], x: Tensor, means: list[int], stds: list[int]
) -> dict[str, Array]:
    """The dictionary as it should be, from the maps in `found` and the sizes of the stages."""
    expected = {"norm_x": np.sqrt((as_array(x) ** 2).mean((2, 3)) + EPS)[:, None]}
    rows, columns = x.shape[2:]
    sizes = {"conv1": (rows, columns), "layer1": (rows, columns)}
    for stage in (2, 3, 4):
        rows, columns = -(-rows // 2), -(-columns // 2)
        sizes[f"layer{stage}"] = (rows, columns)
    for name, (h, w) in sizes.items():
        tokens = as_array(found[name]) if name in found else np.zeros((2, 0, 0))
        if tokens.shape[1] != h * w:
            return {name: np.zeros(0)}
        expected[name] = tokens
        expected[f"{name}_mean"] = tokens.mean(1, keepdims=True)
        expected[f"{name}_std"] = np.sqrt(tokens.var(1, keepdims=True) + EPS)
        for side, kind in [*((s, "mean") for s in means), *((s, "std") for s in stds)]:
            if h % side == 0 and w % side == 0:
                cut = tokens.reshape(2, h // side, side, w // side, side, -1)
                value = cut.mean((2, 4)) if kind == "mean" else np.sqrt(cut.var((2, 4)) + EPS)
                expected[f"{name}_{kind}_{side}"] = value.reshape(2, -1, tokens.shape[2])
    return expected

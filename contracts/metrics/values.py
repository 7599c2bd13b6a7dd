"""Metrics against recorded values, closed forms, and torch-fidelity called directly."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from numpy.typing import NDArray

from drift.errors import DriftError
from drift.evaluate import audit, bootstrap, classes, fid, inception, networks, prdc, run
from drift.sample import images
from verify.api import CheckContext, Measurement, check
from verify.numeric.arrays import worst_of
from verify.numeric.laws import judge_law

from ..common import golden
from ..common.places import folder
from . import cases

Array = NDArray[np.float64]
CASE = "metrics"


def _case(ctx: CheckContext) -> tuple[golden.Case, dict[str, float], dict[str, float]]:
    """(case, exact float64 values, recorded tolerances)."""
    case = golden.recorded(ctx, CASE)
    return case, dict(case.meta["exact_float64"]), dict(case.meta["tolerance_allowed"])


def _worst(ctx: CheckContext, errors: dict[str, float], allowed: float, what: str) -> Measurement:
    """Errors as fractions of what is allowed to each of them."""
    return ctx.judge_worst({name: error / allowed for name, error in errors.items()}, what)


# recorded values


@check("metrics.golden_fid")
def golden_fid(ctx: CheckContext) -> Measurement:
    """Three recorded Frechet distances: plain, rank-deficient, identical."""
    case, exact, allowed = _case(ctx)

    def moments(mean: str, covariance: str) -> fid.Moments:
        held = case.arrays
        return fid.Moments(
            held[f"fid/{mean}"].astype(np.float64), held[f"fid/{covariance}"].astype(np.float64), 0
        )

    one, two = moments("mu1", "sigma1"), moments("mu2", "sigma2")
    three = moments("mu3_rank_deficient", "sigma3_rank_deficient")
    errors = {
        "fid": abs(fid.frechet(one, two) - exact["fid"]),
        "fid_rank_deficient": abs(fid.frechet(one, three) - exact["fid_rank_deficient"]),
        "fid_identical": abs(fid.frechet(one, one) - exact["fid_identical"]),
    }
    return _worst(ctx, errors, allowed["fid"], "Frechet distance")


@check("metrics.golden_inception_score")
def golden_inception_score(ctx: CheckContext) -> Measurement:
    """The recorded score of 205 samples: mean and population deviation over ten splits."""
    case, exact, allowed = _case(ctx)
    splits = ctx.fact("reference:evaluation.inception_score")
    scores = inception.scores(case.arrays["isc/logits"])
    if len(scores) != splits:
        return ctx.decide(False, f"{len(scores)} splits, expected {splits}")
    errors = {
        "mean": abs(float(scores.mean()) - exact["isc_mean"]),
        "std": abs(float(scores.std()) - exact["isc_std"]),
    }
    return _worst(ctx, errors, allowed["isc"], "Inception score")


@check("metrics.golden_precision_recall")
def golden_precision_recall(ctx: CheckContext) -> Measurement:
    """Recorded precision and recall exactly, squared radii to float32's rounding."""
    case, exact, _ = _case(ctx)
    k = ctx.fact("reference:evaluation.precision_recall")
    real, fake = case.arrays["pr/real"], case.arrays["pr/fake"]
    found = {
        "precision": float(prdc.precision_hits(fake, real).mean()),
        "recall": float(prdc.recall_hits(fake, real).mean()),
    }
    for name, value in found.items():
        if abs(value - exact[name]) > 1e-12:
            return ctx.decide(False, f"{name}: found {value}, recorded {exact[name]}")
    error = 0.0
    for name, points in (("real", real), ("fake", fake)):
        recorded = case.arrays[f"pr/radii_{name}"]
        error = worst_of(
            (error, float(np.abs(prdc.squared_radii(points, k) / recorded - 1.0).max()))
        )
    return ctx.judge(error, f"radii agree to {error:.2g} of their value; shares are the recorded")


@check("metrics.golden_truncation")
def golden_truncation(ctx: CheckContext) -> Measurement:
    """Recorded bytes of 49 values, among them both infinities and NaN."""
    case, _, _ = _case(ctx)
    given_, expected = case.arrays["uint8/in_nan_as_-9_inf_as_9e9"], case.arrays["uint8/out"]
    values = torch.from_numpy(np.array(given_))
    values[values == -9.0] = float("nan")
    values[values.abs() == 9e9] *= float("inf")
    found = images.to_uint8(values).numpy().astype(np.int64)
    wrong = np.flatnonzero(found != expected)
    if len(wrong):
        at = wrong[0]
        return ctx.decide(
            False, f"{given_[at]} becomes {found[at]}, recorded {expected[at]}; {len(wrong)} differ"
        )
    return ctx.decide(True, f"{len(expected)} bytes are the recorded ones")


@check("metrics.golden_resize")
def golden_resize(ctx: CheckContext) -> Measurement:
    """The recorded resize to 299 and its scaling, at every 13th pixel."""
    case, _, allowed = _case(ctx)
    pixels = torch.from_numpy(case.arrays["resize299/in_u8"].astype(np.float32))
    found = networks.normalised(networks.resize_299(pixels))[:, :, ::13, ::13].numpy()
    error = float(np.abs(found - case.arrays["resize299/out_every13"]).max())
    return ctx.judge(
        error / allowed["resize"], f"resize off by {error:.3g}, allowed {allowed['resize']:.3g}"
    )


# closed forms


@check("metrics.closed_form")
def closed_form(ctx: CheckContext) -> Measurement:
    """|mu1 - mu2|^2 + sum (sqrt a - sqrt b)^2 for covariances with common eigenvectors."""

    def error(example: tuple[int, int, float]) -> float:
        width, drawn, spread = example
        rng = np.random.default_rng(drawn)
        a, b = rng.uniform(0.1, 1.0, (2, width)) * spread
        axes = np.linalg.qr(rng.normal(size=(width, width)))[0]
        means = rng.normal(size=(2, width))
        one, two = (
            fid.Moments(mean, (axes * values) @ axes.T, 2)
            for mean, values in zip(means, (a, b), strict=True)
        )
        expected = float(((means[0] - means[1]) ** 2).sum())
        expected += float(((np.sqrt(a) - np.sqrt(b)) ** 2).sum())
        size = expected + float(a.sum() + b.sum())
        found = fid.frechet(one, two), fid.Fast(two)(one)
        return worst_of(abs(value - expected) / size for value in found)

    examples = st.tuples(st.integers(1, 12), st.integers(0, 2**31 - 1), st.floats(0.01, 100.0))
    return judge_law(ctx, examples, error, law="the closed form (width, seed, spread)")


@check("metrics.moments")
def moments(ctx: CheckContext) -> Measurement:
    """Moments of a stream do not depend on its batches and are numpy's of the whole."""
    rng = np.random.default_rng(ctx.seed)
    whole = (1000.0 + cases.gaussian(rng, 500, 6)).astype(np.float32)
    expected = np.cov(whole.astype(np.float64), rowvar=False)
    worst = 0.0
    for size in (500, 64, 7, 1):
        accumulator = fid.Accumulator()
        for start in range(0, len(whole), size):
            accumulator.add(whole[start : start + size])
        found = accumulator.result()
        error = float(np.abs(found.covariance - expected).max() / np.abs(expected).max())
        error = worst_of(
            (error, float(np.abs(found.mean - whole.mean(0, dtype=np.float64)).max()) / 1e3)
        )
        worst = worst_of((worst, error))
    return ctx.judge(worst, f"largest relative difference {worst:.3g} over four batch sizes")


# torch-fidelity


@check("metrics.torch_fidelity")
def torch_fidelity(ctx: CheckContext) -> Measurement:
    """FID, KID, IS, precision and recall of our stream and of torch_fidelity.calculate_metrics."""
    import torch_fidelity as library

    count = int(ctx.params["count"])
    fake, real = (cases.pictures(count, ctx.seed + i, shift=0.2 * i) for i in range(2))
    with folder() as place:
        extractor = cases.tiny(place)
        theirs = library.calculate_metrics(
            input1=cases.Bytes(fake), input2=cases.Bytes(real), feature_extractor="drift-tiny",
            feature_extractor_weights_path=str(place / "tiny-0.safetensors"), cuda=False,
            isc=True, fid=True, kid=True, prc=True, kid_subset_size=count // 2,
            save_cpu_ram=True, verbose=False, cache=False,
        )  # fmt: skip
        try:
            reference = cases.tiny_statistics(place / "real.safetensors", extractor, real)
            found = cases.features_of(extractor, fake)
        except DriftError as error:
            return ctx.decide(False, str(error))
        figures, _, _ = run.measure(found, reference, np.random.default_rng(0))
        kernel = _kid(found.pool, reference.features, count // 2)
    ours = {
        "frechet_inception_distance": figures["fid"].value,
        "kernel_inception_distance_mean": kernel,
        "inception_score_mean": figures["inception_score"].details["torch_fidelity"],
        "precision": figures["precision"].value,
        "recall": figures["recall"].value,
    }
    errors = {name: abs(ours[name] - theirs[name]) for name in ours}
    reason = ", ".join(f"{name} {ours[name]:.6g} ({errors[name]:.1g})" for name in ours)
    return ctx.judge(worst_of(errors.values()), reason, axis="smoke", details={"errors": errors})


def _kid(fake: Any, real: Any, size: int) -> float:
    from unittest.mock import patch

    from drift.evaluate import kid

    with patch.object(kid, "SUBSET_SIZE", size):
        return kid.kid(fake, real)[0]


@check("metrics.inception_definitions")
def inception_definitions(ctx: CheckContext) -> Measurement:
    """Both definitions of the Inception score agree where ten divides the number of samples."""
    rng = np.random.default_rng(ctx.seed)
    logits = (3.0 * rng.normal(size=(500, 10))).astype(np.float32)
    ours, theirs = inception.scores(logits).mean(), inception.torch_fidelity_score(logits)[0]
    error = abs(float(ours) - theirs)
    return ctx.judge(error, f"reference {ours:.9g}, torch-fidelity {theirs:.9g}")


# intervals and bias


@check("metrics.bias")
def bias(ctx: CheckContext) -> Measurement:
    """FID extrapolated to infinitely many samples is nearer the truth than FID at N."""
    rng, width = np.random.default_rng(ctx.seed), 24
    truth = fid.Moments(np.zeros(width), np.eye(width), 10**9)
    shift = 0.2
    at_n, extrapolated = [], []
    for _ in range(int(ctx.params["repeats"])):
        sample = shift + rng.normal(size=(300, width))
        by_count = fid.at_counts(sample, fid.Fast(truth), rng)
        at_n.append(by_count[0][1])
        extrapolated.append(fid.extrapolate(by_count))
    exact = width * shift**2
    raw, mended = abs(np.mean(at_n) - exact), abs(np.mean(extrapolated) - exact)
    return ctx.judge(
        float(mended / raw),
        f"truth {exact:.3g}, FID at 300 {np.mean(at_n):.3g}, "
        f"extrapolated {np.mean(extrapolated):.3g}",
        axis="smoke",
        details={"truth": exact, "at_n": float(np.mean(at_n)), "samples": 300},
    )


@check("metrics.intervals")
def intervals(ctx: CheckContext) -> Measurement:
    """The interval's deviation of FID against that of independent repetitions, as |log ratio|."""
    rng, width = np.random.default_rng(ctx.seed), 6
    truth = fid.Moments(np.zeros(width), np.eye(width), 10**9)
    offsets, labels = np.array([-1.0, 0.0, 2.0]), np.repeat(np.arange(3), 100)
    values, stated = [], []
    for _ in range(int(ctx.params["repeats"])):
        sample = rng.normal(size=(300, width)) + offsets[labels][:, None]
        figure = fid.figure(sample, truth, rng, labels=labels)
        values.append(figure.value)
        stated.append((figure.high - figure.value) / bootstrap.Z)
    ratio = float(np.mean(stated) / np.std(values, ddof=1))
    return ctx.judge(
        abs(float(np.log(ratio))),
        f"stated deviation {np.mean(stated):.3g}, of {len(values)} repetitions "
        f"{np.std(values, ddof=1):.3g}",
        axis="smoke",
    )


# memorisation, coverage, collapse


@check("metrics.memorisation")
def memorisation(ctx: CheckContext) -> Measurement:
    """Copies of training samples are flagged, also a tenth of them; fresh samples are not."""
    rng = np.random.default_rng(ctx.seed)
    training, held_out, fresh = rng.normal(size=(3, 600, 8))
    copied = fresh.copy()
    copied[:60] = training[:60] + 1e-3 * rng.normal(size=(60, 8))
    for name, points, expected in (("fresh", fresh, False), ("a tenth copied", copied, True)):
        found = audit.memorisation(points, training, held_out, rng, space="test")
        if found.flagged is not expected:
            return ctx.decide(False, f"{name}: flagged {found.flagged}, {found.copies.shown()}")
    if abs(found.closer.value - 0.5) > 0.15:
        return ctx.decide(False, f"closer is {found.closer.value:.3g} for samples mostly fresh")
    return ctx.decide(True, f"a tenth copied gives {found.copies.shown()}")


@check("metrics.classes")
def per_class(ctx: CheckContext) -> Measurement:
    """A class that is missing, mislabelled or collapsed is named; a good one is covered."""
    rng = np.random.default_rng(ctx.seed)
    centres = 6.0 * np.eye(4)
    labels = np.repeat(np.arange(4), 60)
    real, fake = (rng.normal(size=(240, 4)) + centres[labels] for _ in range(2))
    fake[labels == 1] = centres[1] + 0.01 * rng.normal(size=(60, 4))  # all alike
    fake[labels == 2] = centres[3] + rng.normal(size=(60, 4))  # another class
    asked = labels.copy()
    keep = asked != 3  # not generated
    reports, _ = classes.by_class(fake[keep], asked[keep], real, labels, rng, classes=range(4))
    covered = [report.covered for report in reports]
    collapsed = [report.collapsed for report in reports]
    expected = ([True, False, False, False], [False, True, False, False])
    return ctx.decide(
        (covered, collapsed) == expected,
        f"covered {covered}, collapsed {collapsed}; expected {expected[0]} and {expected[1]}",
        details={"coverage": [report.coverage for report in reports]},
    )


@check("metrics.expected_coverage")
def expected_coverage(ctx: CheckContext) -> Measurement:
    """Coverage of samples of the same distribution is what the closed form says."""
    rng = np.random.default_rng(ctx.seed)
    found = [
        float(prdc.coverage_hits(*rng.normal(size=(2, 60, 5))).mean())
        for _ in range(int(ctx.params["repeats"]))
    ]
    expected = classes.expected_coverage(60, 60)
    error = abs(float(np.mean(found)) - expected)
    return ctx.judge(error, f"mean coverage {np.mean(found):.4g}, closed form {expected:.4g}")

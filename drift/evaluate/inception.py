"""Inception score, in the reference's definition and in torch-fidelity's.

exp of the mean KL divergence between p(y|x) and its mean over a split; mean and population standard
deviation over 10 splits after a permutation seeded with 2020. They differ in two points: the
reference adds 1e-10 inside both logarithms, and drops the n mod 10 samples that fill no split,
where torch-fidelity makes splits of unequal size. At 50,000 samples no sample is dropped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drift.errors import InputError
from drift.evaluate import bootstrap
from drift.evaluate.figures import Figure

SPLITS = 10
SEED = 2020
EPS = 1.0e-10
DEFINITION = "reference: 10 splits, permutation of seed 2020, 1e-10 in the logarithms, rest dropped"

Array = NDArray[np.float64]


def permutation(n: int) -> NDArray[np.int64]:
    """The order before the splits, of numpy's legacy generator."""
    return np.random.RandomState(SEED).permutation(n)


def probabilities(logits: NDArray[np.floating]) -> Array:
    """Softmax of logits [N, C] in float64."""
    wide = np.asarray(logits, dtype=np.float64)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    found: Array = powers / powers.sum(axis=1, keepdims=True)
    return found


def divergence(p: Array) -> float:
    """Mean over rows of KL(p || mean of p): [n, C] -> nats."""
    q = p.mean(axis=0, keepdims=True)
    return float((p * (np.log(p + EPS) - np.log(q + EPS))).sum(axis=1).mean())


def scores(logits: NDArray[np.floating]) -> Array:
    """The score of each split of logits [N, C]; raises InputError for fewer samples than splits."""
    if len(logits) < SPLITS:
        raise InputError("Inception score", found=f"{len(logits)} samples", expected=f">= {SPLITS}")
    parts = split(permutation(len(logits)))
    return np.array([np.exp(divergence(probabilities(logits[part]))) for part in parts])


def split(order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Equal splits of an order [N]; the N mod SPLITS last ones are in none."""
    size = len(order) // SPLITS
    return [order[i * size : (i + 1) * size] for i in range(SPLITS)]


def torch_fidelity_score(logits: NDArray[np.floating]) -> tuple[float, float]:
    """(mean, standard deviation) as torch-fidelity defines them."""
    import torch
    from torch_fidelity import metric_isc

    found = metric_isc.isc_features_to_metric(torch.from_numpy(np.asarray(logits)), SPLITS)
    return found[metric_isc.KEY_METRIC_ISC_MEAN], found[metric_isc.KEY_METRIC_ISC_STD]


def figure(
    logits: NDArray[np.floating],
    generator: np.random.Generator,
    *,
    labels: NDArray[np.int64] | None = None,
) -> Figure:
    """Score of logits [N, C], with the spread of resampled scores over all samples as interval."""
    by_split = scores(logits)
    p = probabilities(logits)
    inner = (p * np.log(p + EPS)).sum(axis=1)
    n = len(p)

    def score_of(drawn: NDArray[np.int64]) -> float:
        q = drawn @ p / n
        return float(np.exp(drawn @ inner / n - (q * np.log(q + EPS)).sum()))

    resampled = bootstrap.resampled(score_of, bootstrap.strata_of(labels, n), generator)
    spread = bootstrap.deviation(resampled)
    value, theirs = float(by_split.mean()), torch_fidelity_score(logits)
    return Figure(
        value=value,
        low=min(value, max(1.0, value - bootstrap.Z * spread)),
        high=value + bootstrap.Z * spread,
        interval="value +- 1.96 standard deviations of bootstrapped scores of all samples",
        definition=DEFINITION,
        count=n,
        better="higher",
        details={
            "splits_deviation": float(by_split.std()),
            "all_samples": float(np.exp(divergence(p))),  # splits see fewer classes: biased down
            "torch_fidelity": theirs[0],
            "torch_fidelity_deviation": theirs[1],
        },
        resampled=resampled,
    )

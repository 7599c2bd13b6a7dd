"""A recorded output that a loaded model must reproduce: no silent random initialisation.

The input is a function of the seed alone (SHAKE-256, so that no library's random stream can change
it). What is recorded is 16 evenly spaced values of the output and its root mean square. The probe
runs on the CPU; it tests the code and the configuration as much as the parameters, which the
digest of the tensors tests bit by bit.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift.artifacts import strict_json
from drift.artifacts.architectures import Model
from drift.artifacts.errors import ArtifactError, shown
from drift.encoder import MaskedAutoencoder

KIND = "drift-probe/1"
SEED = 20260204
VALUES = 16
GRID = 16  # positions along a side of the autoencoder's patchified input
MAX_TEXT = 4096
# Largest difference over the root mean square: far above what another processor, thread count or
# torch changes in the last bits, far below what other parameters change (about 1).
TOLERANCE = 1.0e-3
TOLERANCE_BFLOAT16 = 5.0e-2
TINY = 1.0e-6  # added, for an untrained generator, whose output is zero


def record(model: Model, *, seed: int = SEED) -> str:
    """The probe of a model as the metadata keeps it."""
    return strict_json.canonical({"kind": KIND, "seed": seed, **_measured(run(model, seed))})


def understood(text: str) -> Mapping[str, Any] | None:
    """A recorded probe; None for one that this version cannot use."""
    try:
        value = strict_json.parse(text.encode(), place="probe", limit=MAX_TEXT)
    except ArtifactError:
        return None
    if not isinstance(value, dict) or value.get("kind") != KIND:
        return None
    values = value.get("values")
    whole = type(value.get("seed")) is int and isinstance(value.get("rms"), float)
    listed = isinstance(values, list) and all(isinstance(number, float) for number in values)
    return value if whole and listed and 0 < len(values or ()) <= VALUES else None


def require_reproduced(model: Model, recorded: Mapping[str, Any], *, place: str) -> float:
    """The largest difference as a fraction of the allowed one; raises ArtifactError above 1."""
    measured = _measured(run(model, recorded["seed"]))
    relative = TOLERANCE_BFLOAT16 if model.config.bfloat16 else TOLERANCE
    allowed = relative * abs(recorded["rms"]) + TINY
    pairs = list(zip(measured["values"], recorded["values"], strict=False))
    differences = [abs(now - then) for now, then in pairs]
    differences.append(abs(measured["rms"] - recorded["rms"]))
    if len(measured["values"]) != len(recorded["values"]):
        differences.append(math.inf)
    worst = float(max(difference / allowed for difference in differences))
    if not worst <= 1:
        raise ArtifactError(
            f"{place}: probe",
            found=f"output {_brief(measured)} for the recorded input",
            expected=f"{_brief(recorded)}, as recorded when the file was saved, +-{allowed:.2g}",
            remedy="The model does not compute what it computed when it was saved: the parameters "
            "were not loaded, or the code changed. Import the source again.",
        )
    return worst


def run(model: Model, seed: int) -> Tensor:
    """Output of the model for the input of `seed`, flattened, float64, on the CPU."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            if isinstance(model, MaskedAutoencoder):
                return _run_mae(model, seed)
            config = model.config
            shape = (1, config.in_channels, config.input_size, config.input_size)
            styles = draws("style", seed, (1, config.style_tokens)) * config.style_codes
            samples: Tensor = model(
                normal_like("noise", seed, shape),
                _index("label", seed, config.num_classes),
                torch.from_numpy(1 + 3 * draws("alpha", seed, (1,))).float(),
                torch.from_numpy(styles.astype(np.int64)),
            )
            return samples.double().flatten()
    finally:
        model.train(training)


def draws(label: str, seed: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Numbers in [0, 1) that depend on label, seed and place alone."""
    count = math.prod(shape)
    data = hashlib.shake_256(f"{label} {seed}".encode()).digest(4 * count)
    return (np.frombuffer(data, "<u4") / 2.0**32).reshape(shape)


def normal_like(label: str, seed: int, shape: tuple[int, ...]) -> Tensor:
    """Uniform numbers of mean 0 and variance 1, float32."""
    return torch.from_numpy((2 * draws(label, seed, shape) - 1) * math.sqrt(3)).float()


def _run_mae(model: MaskedAutoencoder, seed: int) -> Tensor:
    """Features of the deepest stage and, where there is a decoder, both losses."""
    config = model.config
    side = GRID * config.input_patch
    x = normal_like("image", seed, (1, config.in_channels, side, side))
    features = model.activations(x)["layer4"].double().flatten()
    if config.trunk_only:
        return features
    mask = torch.from_numpy(draws("mask", seed, (1, 1, GRID, GRID)) < 0.5).float()
    labels = _index("label", seed, config.num_classes)
    _, metrics = model(x, labels, mask=mask, lambda_cls=0.5)
    losses = torch.cat([metrics["recon_loss"], metrics["cls_loss"]]).double()
    # log1p brings the losses to the scale of normalised features: neither drowns the other
    return torch.cat([features[_places(features, VALUES - 2)], torch.log1p(losses)])


def _index(label: str, seed: int, count: int) -> Tensor:
    return torch.from_numpy((draws(label, seed, (1,)) * count).astype(np.int64))


def _measured(output: Tensor) -> dict[str, Any]:
    rms = float(output.square().mean().sqrt())
    values = [float(value) for value in output[_places(output, VALUES)]]
    if not math.isfinite(rms):
        raise ArtifactError("probe", found="an output that is not finite", expected="numbers")
    return {"rms": rms, "values": values}


def _places(output: Tensor, count: int) -> Tensor:
    """`count` evenly spaced indices of a flat tensor, both ends included."""
    return torch.linspace(0, output.numel() - 1, count, dtype=torch.float64).round().long()


def _brief(measured: Mapping[str, Any]) -> str:
    first = ", ".join(f"{value:.4g}" for value in measured["values"][:3])
    return shown(f"[{first}, ...] with rms {measured['rms']:.4g}").strip("'")

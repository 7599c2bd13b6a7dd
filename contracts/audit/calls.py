"""Calls of a subject's functions: inside what it says it does, with the arguments that it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np

from verify.api import CheckContext, Measurement, SubjectError
from verify.numeric.arrays import Array, as_array, largest

from ..subjects.protocol import DOMAIN

__all__ = ["Domain", "OutsideError", "answer", "array", "call", "inside", "stage"]

WEIGHTS = ("none", "uniform_neg", "neg", "all")


class OutsideError(Exception):
    """The subject says, or its signature does, that it does not do this."""


def inside(check: Callable[[CheckContext], Measurement]) -> Callable[[CheckContext], Measurement]:
    """A check that does not apply where it asks for what lies outside of the subject's domain."""

    @wraps(check)
    def judged(ctx: CheckContext) -> Measurement:
        try:
            return check(ctx)
        except OutsideError as outside:
            return ctx.outside(str(outside))

    return judged


class Domain:
    """What the subject says of itself."""

    def __init__(self, subject: Any) -> None:
        self.stated: Mapping[str, Any] = getattr(subject, "domain", {})
        unknown = sorted(set(self.stated) - set(DOMAIN))
        if unknown:
            raise SubjectError(
                "nonsense",
                f"DOMAIN has {', '.join(unknown)}; expected {', '.join(DOMAIN)}",
            )

    @property
    def reduction(self) -> str:
        """none, sum or mean."""
        return str(self.stated.get("reduction", "none"))

    def require(self, given: Mapping[str, Any], temperatures: Sequence[float]) -> None:
        """Raise OutsideError where clouds, weights or temperatures are outside."""
        self._weights(given)
        neg = given.get("neg")
        unconditional = 0 if neg is None else neg.shape[1]
        if unconditional and self.stated.get("unconditional") is False:
            raise OutsideError("the subject takes no unconditional samples")
        groups, generated, features = given["gen"].shape
        shape = [groups, generated, given["pos"].shape[1], unconditional, features]
        shapes = self.stated.get("shapes")
        if shapes is not None and shape not in shapes:
            raise OutsideError(f"the subject takes no shape [B, G, P, N, S] = {shape}")
        known = self.stated.get("temperatures")
        if known is not None and temperatures and sorted(known) != sorted(temperatures):
            raise OutsideError(f"the subject takes the temperatures {known} alone, all at once")
        for name, wanted in (("devices", "cpu"), ("semantics", "reference")):
            if wanted not in self.stated.get(name, [wanted]):
                raise OutsideError(f"the subject says that it does no {wanted}")
        if self.dtype is None:
            raise OutsideError(f"the subject does {self.stated['dtypes']} alone")

    @property
    def dtype(self) -> str | None:
        """What it is given: float32 where it takes that, else float64; tolerances are float32's."""
        stated = self.stated.get("dtypes", ["float32"])
        return next((one for one in ("float32", "float64") if one in stated), None)

    def cast(self, value: Any) -> Any:
        """A float32 array, or those of a mapping, in the subject's precision."""
        if isinstance(value, Mapping):
            return {name: self.cast(one) for name, one in value.items()}
        single = isinstance(value, (np.ndarray, np.floating)) and value.dtype == np.float32
        return value.astype(np.float64) if single and self.dtype == "float64" else value

    def _weights(self, given: Mapping[str, Any]) -> None:
        level = str(self.stated.get("weights", "all"))
        if level not in WEIGHTS:
            raise SubjectError("nonsense", f"DOMAIN says weights: {level}; expected {WEIGHTS}")
        plain = {name for name in ("gen", "pos", "neg") if _ones(given.get(f"weight_{name}"))}
        wanted = {"gen", "pos", "neg"} - plain
        if wanted and level == "none":
            raise OutsideError("the subject takes no weights")
        if wanted - {"neg"} and level != "all":
            raise OutsideError("the subject takes weights of the unconditional samples alone")
        neg = given.get("weight_neg")
        several = neg is not None and neg.size and np.ptp(neg, axis=1).max() > 0
        if level == "uniform_neg" and several:
            raise OutsideError("the subject takes one weight for all unconditional samples")


def _ones(weight: Any) -> bool:
    return weight is None or bool(np.all(np.asarray(weight) == 1.0))


def call(subject: Any, capability: str, **given: Any) -> Any:
    """Its answer; an argument that it does not take is outside of what it does."""
    wanted = {name: value for name, value in given.items() if value is not None}
    names, takes_all = _takes(subject, capability)
    for name in sorted(set(wanted) - names) if not takes_all else ():
        if not (name.startswith("weight_") and _ones(wanted[name])):
            raise OutsideError(f"the subject's {capability} takes no {name}")
        del wanted[name]
    return getattr(subject, capability)(**Domain(subject).cast(wanted))


def stage(subject: Any, capability: str, offered: Mapping[str, Any]) -> Any:
    """The answer of a stage function, given those of the values offered that it asks for."""
    names, takes_all = _takes(subject, capability)
    odd = sorted(names - set(offered)) if not takes_all else []
    if odd:
        raise OutsideError(f"{capability} asks for {', '.join(odd)}, which is nothing recorded")
    wanted = {k: v for k, v in offered.items() if takes_all or k in names}
    return getattr(subject, capability)(**Domain(subject).cast(wanted))


def _takes(subject: Any, capability: str) -> tuple[set[str], bool]:
    takes = getattr(subject, "takes", None)
    if takes is not None:
        return set(takes[capability]["names"]), bool(takes[capability]["any"])
    parameters = inspect.signature(getattr(subject, capability)).parameters
    named = {name for name, one in parameters.items() if one.kind is not one.VAR_KEYWORD}
    return named, len(named) < len(parameters)


def numbers(value: Any, what: str) -> Array:
    """An answer as an array of numbers, whatever its shape."""
    try:
        return as_array(value)
    except (TypeError, ValueError):
        raise SubjectError("nonsense", f"{what} is no array of numbers") from None


def array(value: Any, shape: Sequence[int], what: str) -> Array:
    """An answer of a shape, finite; anything else is a finding."""
    found = numbers(value, what)
    if list(found.shape) != list(shape):
        said = f"{what} has the shape {list(found.shape)}; expected {list(shape)}"
        raise SubjectError("nonsense", said)
    if not np.isfinite(found).all():
        bad = int((~np.isfinite(found)).sum())
        raise SubjectError("nonsense", f"{what} is not finite in {bad} of {found.size} places")
    return found


def rows(value: Any, count: int, what: str) -> Array:
    """An answer of so many rows, whatever the shape of a row."""
    found = numbers(value, what)
    return array(found, [count, *found.shape[1:]], what)


def answer(
    subject: Any, given: Mapping[str, Any], temperatures: Sequence[float]
) -> tuple[Array, Array]:
    """Loss [B] or its sum, and the gradient of the sum of losses [B, G, S]."""
    domain, given = Domain(subject), required(subject, given, temperatures)
    asked = named_temperatures(subject, "drift_loss_and_gradient", temperatures)
    result = call(subject, "drift_loss_and_gradient", **given, temperatures=asked)
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        kind = type(result).__name__
        raise SubjectError("nonsense", f"drift_loss_and_gradient gave a {kind}; expected a pair")
    groups = given["gen"].shape[0]
    one_number = domain.reduction != "none"
    loss = array(result[0], [] if one_number else [groups], "the loss")
    gradient = array(result[1], given["gen"].shape, "the gradient")
    factor = groups if domain.reduction == "mean" else 1
    return loss * factor, gradient * factor


def required(
    subject: Any, given: Mapping[str, Any], temperatures: Sequence[float]
) -> dict[str, Any]:
    """The arguments of a loss among what was recorded; OutsideError where it does not do that."""
    Domain(subject).require(given, temperatures)
    return {name: value for name, value in given.items() if name in _ARGUMENTS}


def named_temperatures(
    subject: Any, capability: str, wanted: Sequence[float]
) -> list[float] | None:
    """What is asked for; nothing of a function without the argument, which does its own alone."""
    names, takes_all = _takes(subject, capability)
    if takes_all or "temperatures" in names:
        return list(wanted)
    own = Domain(subject).stated.get("temperatures", TEMPERATURES)
    if sorted(own) != sorted(wanted):
        raise OutsideError(f"the subject's loss takes no temperatures, and does {list(own)} alone")
    return None


TEMPERATURES = (0.02, 0.05, 0.2)  # of a loss that is asked for none
_ARGUMENTS = ("gen", "pos", "neg", "weight_gen", "weight_pos", "weight_neg")


def reduced(subject: Any, loss: Array) -> Array:
    """A loss [B] as the subject states it."""
    return loss if Domain(subject).reduction == "none" else as_array(loss.sum())


def relative(found: Array, expected: Array) -> float:
    """Largest error over the largest expected value."""
    return largest(found - expected) / max(largest(expected), 1e-30)

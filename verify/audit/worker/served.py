"""The subject, and the functions that it offers under the names of the protocol."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .frames import NonsenseError
from .origin import provenance


class Served:
    """A subject and the functions that it offers under the names of the protocol."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        known = set(order["capabilities"])
        subject, self.module = _load(order)
        found = _offered(subject, order["name"], known)
        self.domain = _get(subject, "DOMAIN") or _get(self.module, "DOMAIN") or {}
        self.distribution = _get(subject, "DISTRIBUTION") or _get(self.module, "DISTRIBUTION")
        if not isinstance(self.domain, dict):
            raise NonsenseError(f"DOMAIN is a {type(self.domain).__name__}; expected a mapping")
        self.torch = self.domain.get("framework") == "torch"
        if "drift_loss" in found and "drift_loss_and_gradient" not in found:
            found["drift_loss_and_gradient"] = _differentiated(found["drift_loss"])
        if "recording" in found:
            found["recording"] = _recorded(found["recording"], found.get("drift_loss_and_gradient"))
        self.functions = {name: one for name, one in found.items() if name in known}

    def hello(self) -> dict[str, Any]:
        """What it has, where it holds, and which code it is."""
        return {
            "capabilities": {name: _parameters(one) for name, one in self.functions.items()},
            "domain": _plain(self.domain),
            "provenance": provenance(self.order, self.distribution),
        }

    def call(self, request: dict[str, Any]) -> Any:
        """The answer of one capability."""
        function = self.functions[request["call"]]
        given = request["arguments"]
        if self.torch and not getattr(function, "_takes_arrays", False):
            given = _tensors(given)
        answer = function(**given)
        return list(answer) if inspect.isgenerator(answer) else answer


def _load(order: dict[str, Any]) -> tuple[Any, Any]:
    """(the object that is audited, its module)."""
    for folder in reversed(order["search"]):
        sys.path.insert(0, folder)
    if order["file"]:
        path = Path(order["file"])
        sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path.name} is no Python file")
        module: Any = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(order["module"])
    subject = module
    for part in filter(None, order["name"].split(".")):
        subject = subject[part] if isinstance(subject, dict) else getattr(subject, part)
    return (subject() if isinstance(subject, type) else subject), module


def _offered(subject: Any, name: str, known: set[str]) -> dict[str, Any]:
    names = known | {"drift_loss"}
    found = {one: value for one in names if callable(value := _get(subject, one))}
    if not found and callable(subject) and not isinstance(subject, types.ModuleType):
        last = name.rpartition(".")[2]
        return {last if last in names else "drift_loss_and_gradient": subject}
    return found


def _get(subject: Any, name: str) -> Any:
    if isinstance(subject, dict):
        return subject.get(name)
    return getattr(subject, name, None)


def _differentiated(loss: Any) -> Any:
    """`drift_loss` of torch as a function of arrays that also gives its gradient."""

    def drift_loss_and_gradient(**given: Any) -> tuple[Any, Any]:
        gen = _tensors(given.pop("gen")).requires_grad_()
        answer = loss(gen, **_tensors(given))
        value = answer[0] if isinstance(answer, (tuple, list)) else answer
        value.sum().backward()
        return value, gen.grad

    drift_loss_and_gradient.__signature__ = inspect.signature(loss)  # type: ignore[attr-defined]
    drift_loss_and_gradient._takes_arrays = True  # type: ignore[attr-defined]
    return drift_loss_and_gradient


def _recorded(recording: Any, loss: Any) -> Any:
    """The stages of one call of the loss, whichever way the subject records them.

    `recording` either takes the arguments of the loss, or is a context manager without arguments
    that yields what is filled while the loss runs.
    """
    takes = _parameters(recording)
    if "gen" in takes["names"]:
        return recording
    if loss is None:
        raise NonsenseError("recording() has no drift_loss_and_gradient to run around")

    def recorded(**given: Any) -> Any:
        with recording() as stages:
            loss(**given)
        return dict(stages) if isinstance(stages, Mapping) else list(stages)

    recorded.__signature__ = inspect.signature(loss)  # type: ignore[attr-defined]
    recorded._takes_arrays = getattr(loss, "_takes_arrays", False)  # type: ignore[attr-defined]
    return recorded


def _tensors(value: Any) -> Any:
    torch = sys.modules.get("torch")
    if torch is None:
        raise NonsenseError("the subject speaks torch and has not imported it")
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    if isinstance(value, dict):
        return {name: _tensors(one) for name, one in value.items()}
    return [_tensors(one) for one in value] if isinstance(value, list) else value


def _parameters(function: Any) -> dict[str, Any]:
    """Names that it takes; `any` where it takes all."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {"names": [], "any": True}
    named = [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD,
                                                            one.KEYWORD_ONLY)]  # fmt: skip
    return {"names": named, "any": any(one.kind is one.VAR_KEYWORD for one in parameters)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)

"""The only place that calls torch.compile or a compiler, with one policy for when they fail.

Requirement 41.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch

from drift.errors import DriftError

Policy = Literal["warn", "raise", "disable"]
POLICIES: tuple[Policy, ...] = ("disable", "warn", "raise")

# No option that lets numbers be no numbers, reorders sums or changes how the process rounds.
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math",
         "-shared", "-fPIC")  # fmt: skip


class CompileError(DriftError):
    """torch.compile failed and the policy is `raise`."""


def compiled(function: Callable[..., Any], policy: Policy, **options: Any) -> Callable[..., Any]:
    """`function`, compiled as the policy says; compilation happens at the first call.

    disable  the function as it is
    warn     where compilation fails: one warning, then the function as it is from there on
    raise    where compilation fails: CompileError
    An error of the function itself is never taken for a failure to compile: it comes up again when
    the function runs as it is.
    """
    if policy == "disable":
        return function
    return _Guarded(function, policy, options)


class _Guarded:
    def __init__(self, function: Callable[..., Any], policy: Policy, options: Any) -> None:
        self._plain = function
        self._policy = policy
        self._current = _compile(function, **options)
        self._proven = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._proven:
            return self._current(*args, **kwargs)
        try:
            result = self._current(*args, **kwargs)
        except Exception as error:
            result = self._fall_back(error, args, kwargs)
        self._proven = True
        return result

    def _fall_back(self, error: Exception, args: Any, kwargs: Any) -> Any:
        first = f"{type(error).__name__}: {str(error).strip().splitlines()[:1]}"
        if self._policy == "raise":
            raise CompileError(
                "torch.compile", found=first, expected="a compiled function",
                remedy="Pass --compile warn or --compile disable.",
            ) from error  # fmt: skip
        result = self._plain(*args, **kwargs)  # its own errors come up here, unwrapped
        warnings.warn(f"torch.compile failed, going on without it ({first})", stacklevel=3)
        self._current = self._plain
        return result


def _compile(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    result: Callable[..., Any] = torch.compile(function, **options)
    return result


def library(source: Path) -> ctypes.CDLL | None:
    """C++ source, compiled for this processor and loaded; no file of it is left.

    The compiler is that of the environment's CXX, or c++. None where there is none, and, after one
    warning, where it fails.
    """
    compiler = shutil.which(os.environ.get("CXX") or "c++")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "library.so"
        try:
            subprocess.run(
                [compiler, *FLAGS, str(source), "-o", str(built)],
                check=True, capture_output=True, text=True, errors="replace",
            )  # fmt: skip
            return ctypes.CDLL(str(built))
        except (OSError, subprocess.CalledProcessError) as error:
            said = str(getattr(error, "stderr", "") or error).strip().splitlines()[:1]
            warnings.warn(f"{compiler} failed, going on without it ({said})", stacklevel=2)
            return None

"""The process in which a recorder runs: asked on standard input, answered in a folder."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["RecordContext"]


@dataclass(frozen=True)
class RecordContext:
    """All that a recorder may know.

    case   which case to record
    seed   of this run; other runs may measure the noise between seeds
    dtype  float32 or float64: what to compute in
    """

    case: str
    seed: int
    dtype: str
    specs_dir: Path

    def rng(self) -> np.random.Generator:
        """Randomness of this run, the same at every call."""
        return np.random.default_rng(self.seed)


def main() -> None:
    """Run all that the noise asks for; what the recorder prints goes to standard error."""
    from verify.run.workers.source import compiled_from_source

    asked = json.loads(sys.stdin.read())
    os.dup2(2, 1)
    root = Path(asked["root"])
    with compiled_from_source(root):
        _record(asked, root)


def _record(asked: dict[str, Any], root: Path) -> None:
    from safetensors.numpy import save_file

    from verify.api import registered
    from verify.numeric.recording import NOISES
    from verify.run.workers.worker import member, mount

    folder = Path(asked["folder"])
    mount(root)
    recorder = member({"role": "recorder", "name": asked["name"], "module": asked["module"]})
    noise = next(one.noise for one in registered(recorder) if one.role == "recorder")
    if noise not in NOISES:
        raise ValueError(f"noise: found {noise!r}; expected one of {', '.join(NOISES)}")
    runs = NOISES[noise].runs(asked["seed"])
    names: dict[int, list[str]] = {}
    for at in sorted(range(len(runs)), reverse=asked["backwards"]):
        given = recorder(RecordContext(asked["case"], *runs[at], root / "specs"))
        arrays = {name: np.asarray(value, order="C") for name, value in given.items()}
        save_file(arrays, folder / f"{at}.safetensors")
        names[at] = list(arrays)
    told = {"noise": noise, "runs": runs, "names": [names[at] for at in sorted(names)]}
    text = json.dumps({**told, "versions": _versions()})
    (folder / "told.json").write_text(text, encoding="utf-8")


def _versions() -> dict[str, Any]:
    """Of Python and of every installed package that was imported."""
    packages = metadata.packages_distributions()
    found = {name for module in sys.modules for name in packages.get(module, ())}
    installed = {name: metadata.version(name) for name in sorted(found)}
    return {"python": ".".join(map(str, sys.version_info[:3])), **installed}


if __name__ == "__main__":
    main()

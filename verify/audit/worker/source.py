"""What runs is the text that the evidence's digests are of, and no compiled file beside it.

Python takes a `.pyc` for a text when its header names the text's size and the second in which that
was written, or says that nobody need look. Frameworks, which evidence names by version alone, keep
theirs, and so does Python's own library: compiling them again takes seconds.
"""

from __future__ import annotations

import sysconfig
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

FRAMEWORKS = frozenset(
    {"jax", "jaxlib", "keras", "mpmath", "networkx", "numpy", "opt_einsum", "pandas", "scipy",
     "sympy", "tensorflow", "torch", "torchvision", "triton"}
)  # fmt: skip
PACKAGES = frozenset({"site-packages", "dist-packages"})


def compile_from_source() -> None:
    """From now on, for all but frameworks and Python's own library."""
    paths = sysconfig.get_paths()
    own = {Path(paths["stdlib"]), Path(paths["platstdlib"])}
    real = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        path = Path(self.path)
        python_s = not own.isdisjoint(path.parents) and PACKAGES.isdisjoint(path.parts)
        if python_s or fullname.partition(".")[0] in FRAMEWORKS:
            return real(self, fullname)
        return self.source_to_code(self.get_data(self.path), self.path)

    SourceFileLoader.get_code = get_code  # type: ignore[assignment,method-assign]

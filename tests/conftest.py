"""One thread a process, and how many examples a property is tried on.

Test processes share the cores, and no figure may depend on them. `HYPOTHESIS_PROFILE=nightly` or
`--hypothesis-profile=nightly` tries each property that states no number of its own on 2,000.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# Triton decides at its first import whether kernels are interpreted, its own ones with them.
os.environ.setdefault("TRITON_INTERPRET", "1")

from hypothesis import settings  # noqa: E402

_ALWAYS = settings(deadline=None, database=None, derandomize=True)
settings.register_profile("fast", _ALWAYS, max_examples=100)
settings.register_profile("nightly", _ALWAYS, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

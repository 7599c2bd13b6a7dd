"""One thread a process, and how many examples a property is tried on.

Test processes share the cores, and no figure may depend on them. `HYPOTHESIS_PROFILE=nightly` or
`--hypothesis-profile=nightly` tries each property that states no number of its own on 2,000.
`TESTS_BEGIN_AT=2028-02-29T00:00:10Z` moves the clock of the harness there, as if they began then.
`TESTS_SHUFFLED=7` runs files, and tests within a file, in another order, and lets properties draw
anew: `TESTS_SHUFFLED=7 pytest -n auto --no-loadscope-reorder --hypothesis-seed=7`, where the first
option keeps xdist from sorting the files again.
"""

from __future__ import annotations

import os
import random

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# Triton decides at its first import whether kernels are interpreted, its own ones with them.
os.environ.setdefault("TRITON_INTERPRET", "1")

from datetime import UTC, datetime, tzinfo  # noqa: E402

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from verify import clock  # noqa: E402

shuffled = os.environ.get("TESTS_SHUFFLED")
_ALWAYS = settings(deadline=None, database=None, derandomize=not shuffled)
settings.register_profile("fast", _ALWAYS, max_examples=100)
settings.register_profile("nightly", _ALWAYS, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

if begin := os.environ.get("TESTS_BEGIN_AT"):
    _moved = datetime.fromisoformat(begin) - datetime.now(UTC)

    class _Moved(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + _moved

    vars(clock)["datetime"] = _Moved  # its only reading of the time


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not shuffled:
        return
    key = {item: random.Random(f"{shuffled} {item.nodeid}").random() for item in items}
    file = {item: random.Random(f"{shuffled} {item.path}").random() for item in items}
    items.sort(key=lambda item: (file[item], key[item]))

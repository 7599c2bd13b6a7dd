"""Free memory stays with the process where the C library can be told."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

ROUNDS = """
import resource, torch
from drift import heap
if {kept}:
    heap.keep()
for _ in range(8):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    large = [torch.ones(1 << 20) for _ in range(6)]
    del large
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults)
"""


def faults(kept: bool) -> int:
    """Pages asked for in the last round of six tensors of 4 MB: where they lie has settled."""
    code = ROUNDS.format(kept=kept)
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return int(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc learns from it")
def test_tensors_that_come_and_go_are_asked_of_the_system_once() -> None:
    assert faults(kept=True) < faults(kept=False) / 2

"""Free memory stays with the process where the C library can be told."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

MAPPED = """
import ctypes, torch
from drift import heap

class Figures(ctypes.Structure):
    _fields_ = [(f"figure_{number}", ctypes.c_size_t) for number in range(10)]

ask = ctypes.CDLL(None).mallinfo2
ask.restype = Figures
if KEPT:
    heap.keep()
before = ask().figure_3  # hblks: allocations that go back to the system when they are free
held = torch.empty(16 << 20, dtype=torch.uint8)
print(ask().figure_3 - before)
"""


def mapped(kept: bool) -> int:
    """How many allocations of 16 MB, of one, are the system's again when they are free."""
    code = MAPPED.replace("KEPT", str(kept))
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return int(run.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="only glibc learns from it")
def test_a_tensor_of_some_megabytes_stays_with_the_process_when_it_is_free() -> None:
    assert mapped(kept=False) == 1
    assert mapped(kept=True) == 0

"""Memory that is free stays with the process, as far as the C library can be told."""

from __future__ import annotations

from functools import cache

import torch

# The largest that glibc learns from, less what it adds to an allocation.
LARGEST = (32 << 20) - (64 << 10)


@cache
def keep() -> None:
    """From here on up to twice LARGEST stay when they are free; once a process, at no cost.

    glibc gives free memory back beyond twice the largest allocation that it has seen come and go,
    and pages that the system hands out anew are cleared: as much as a pass of the loss takes, or
    two, for tensors of a few megabytes that come and go with each step. Nothing is written into
    the allocation from which it learns better. Other C libraries take no notice.
    """
    torch.empty(LARGEST, dtype=torch.uint8)

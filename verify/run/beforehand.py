"""Imports that begin while the pack is still read: it names them, and most of its checks need them.

To import torch takes longer than to read, lint and digest a pack, and neither waits for the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from verify.run.workers.forks import ForkServer
from verify.run.workers.pool import threads
from verify.spec.root import early_imports


@contextmanager
def begun(root: Path, jobs: int, evidence_dir: Path) -> Iterator[ForkServer | None]:
    """A server for `verify.run.engine.run` that already imports; None where nothing is named.

    It is ended with the block at the latest, also where the pack turns out not to be sound.
    """
    names = early_imports(root)
    if not names:
        yield None
        return
    server = ForkServer(root, threads(jobs))
    try:
        server.imports(names, str(evidence_dir.resolve()), mount=False)
        yield server
    finally:
        server.close()

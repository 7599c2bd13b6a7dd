"""The state of a run on disk: checkpoints, live metadata and the canonical metric log."""

from drift import atomic
from drift.state.checkpoint import Checkpoint, CheckpointError, latest_good, read, write
from drift.state.record import RunRecord, WindowLog

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "RunRecord",
    "WindowLog",
    "atomic",
    "latest_good",
    "read",
    "write",
]

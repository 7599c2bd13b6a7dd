"""The command that starts a run in several processes: torchrun's own, and a Slurm script of it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

PORT = 29400
SIGNAL_S = 300  # before Slurm's limit: time for the step at work and a checkpoint


def torchrun(arguments: Sequence[str], *, world: int, nodes: int = 1) -> str:
    """The line to type for `drift ARGUMENTS` in `world` processes, equally many on each node.

    Of several nodes each gets the same line, with HEAD the name of one of them.
    """
    each = ["--nproc-per-node", str(world // nodes)]
    if nodes == 1:
        where = ["--standalone", *each]
        return shlex.join(["torchrun", *where, "-m", "drift.cli", *arguments])
    words = ["torchrun", "--nnodes", str(nodes), *each, "--rdzv-backend", "c10d"]
    # Not quoted: the shell puts the name in.
    return f'{shlex.join(words)} --rdzv-endpoint "$HEAD:{PORT}" ' + shlex.join(
        ["-m", "drift.cli", *arguments]
    )


def slurm(arguments: Sequence[str], *, world: int, nodes: int = 1) -> str:
    """A script for sbatch: one launcher on each node, and a signal before the time is over."""
    each = world // nodes
    line = torchrun(arguments, world=world, nodes=max(nodes, 2)) if nodes > 1 else torchrun(
        arguments, world=world
    )  # fmt: skip
    return f"""#!/bin/bash
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node={each}
#SBATCH --signal=TERM@{SIGNAL_S}
#SBATCH --requeue
set -euo pipefail
export HEAD=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
# A job that was put back into the queue goes on where its checkpoint is.
resume=()
if [ "${{SLURM_RESTART_COUNT:-0}}" -gt 0 ]; then resume=(--resume); fi
srun {line} "${{resume[@]}}"
"""

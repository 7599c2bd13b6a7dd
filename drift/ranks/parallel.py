"""A generator over several processes, by DDP or FSDP2; gradients are added, not averaged.

The loss over a process group is one number, the same on each process, and each process holds the
gradient of its own groups (`drift.loss`). The gradient of a shared parameter is the sum over
processes. Both libraries divide by their number; here neither does.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, get_args

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from drift.ranks.processes import Ranks

Kind = Literal["ddp", "fsdp2"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def over(generator: nn.Module, ranks: Ranks, kind: Kind) -> nn.Module:
    """What to call instead of the generator, whose parameters stay where they are by name.

    ddp    every process holds all parameters
    fsdp2  every process holds a share of each: parameters become DTensors, in place
    """
    if ranks.group is None:
        return generator
    if kind == "fsdp2":
        return _fully_sharded(generator, ranks)
    network = DistributedDataParallel(
        generator, process_group=ranks.group, gradient_as_bucket_view=True
    )
    # DDP compares annotations by identity; a lambda has none.
    network.register_comm_hook(ranks.group, lambda group, bucket: added(group, bucket))
    return network


def added(group: Any, bucket: Any) -> torch.futures.Future[Tensor]:
    """The sum of a bucket of gradients over processes."""
    work = dist.all_reduce(bucket.buffer(), group=group, async_op=True)
    future: torch.futures.Future[Tensor] = work.get_future().then(lambda done: done.value()[0])
    return future


def _fully_sharded(generator: nn.Module, ranks: Ranks) -> nn.Module:
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.fsdp import FSDPModule, fully_shard

    group: Any = ranks.group
    mesh = DeviceMesh.from_group(group, next(generator.parameters()).device.type)
    for block in generator.get_submodule("blocks").children():
        fully_shard(block, mesh=mesh)
    fully_shard(generator, mesh=mesh)
    for module in generator.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)  # gloo knows no premultiplied sum
    return generator


def pass_of(network: nn.Module | None, *, last: bool) -> AbstractContextManager[object]:
    """One of several passes: under DDP the last one sends the sum of the gradients of all."""
    if isinstance(network, DistributedDataParallel) and not last:
        return network.no_sync()
    return nullcontext()


# -- tensors that are spread ----------------------------------------------------------------------


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor; every process has to ask."""
    if not _spread(tensor):
        return tensor
    spread: Any = tensor
    full: Tensor = spread.full_tensor()
    return full


def gathered(tensor: Tensor) -> Tensor:
    """All of a tensor for the first process, in the memory of its host where it was spread; every
    process has to ask, and the others keep nothing of it."""
    if not _spread(tensor):
        return tensor
    spread: Any = tensor
    full = whole(tensor)
    return full.cpu() if spread.device_mesh.get_local_rank() == 0 else full.new_empty(0)


def local(tensor: Tensor) -> Tensor:
    """What of a tensor is on this process."""
    if not _spread(tensor):
        return tensor
    spread: Any = tensor
    own: Tensor = spread.to_local()
    return own


def spread_like(value: Tensor, parameter: Tensor) -> Tensor:
    """A whole tensor, which every process has, spread as the parameter is; nothing is sent."""
    if not _spread(parameter):
        return value
    from torch.distributed.tensor import distribute_tensor

    like: Any = parameter
    value = value.to(parameter.device)
    found: Tensor = distribute_tensor(value, like.device_mesh, like.placements, src_data_rank=None)
    return found


def _spread(tensor: Tensor) -> bool:
    """Whether it is a DTensor, whose module takes seconds to import where nothing is spread."""
    return hasattr(tensor, "full_tensor")


def norm_over_shares(own: Tensor, *, of: Tensor) -> Tensor:
    """The norm of what this process holds -> of what all hold of tensors that are spread."""
    if not _spread(of):
        return own
    like: Any = of
    total = own.square()
    dist.all_reduce(total, group=like.device_mesh.get_group())
    return total.sqrt()

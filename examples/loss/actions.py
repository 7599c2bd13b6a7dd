"""The drifting loss in a loop of one's own: a policy that has to keep two ways past an obstacle.

    python examples/loss/actions.py

Each of eight situations has demonstrations of sixteen steps in the plane that pass on the left or
on the right. A policy trained on the mean error would go through the middle. Needs torch alone.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor, nn

from drift.loss import drift_loss
from drift.watch import Watch

SITUATIONS, STEPS, NOISE = 8, 16, 8
DEMONSTRATIONS, GENERATED, BATCH = 256, 32, 64


def demonstrations(generator: torch.Generator) -> Tensor:
    """[B, n, S] with S = 16 steps of (x, y), flat: half pass on the left, half on the right."""
    along = torch.linspace(0.0, 1.0, STEPS)
    side = torch.tensor([-1.0, 1.0]).repeat(DEMONSTRATIONS // 2)
    height = torch.linspace(0.5, 1.5, SITUATIONS)[:, None] * side  # [B, n]
    across = height[..., None] * torch.sin(torch.pi * along)
    path = torch.stack([along.expand_as(across), across], dim=-1)
    return (path + 0.03 * torch.randn(path.shape, generator=generator)).flatten(2)


class Policy(nn.Module):
    """noise [B, n, Z] and one situation a row -> actions [B, n, S]."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(NOISE + SITUATIONS, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(),
            nn.Linear(128, 2 * STEPS),
        )  # fmt: skip

    def forward(self, noise: Tensor) -> Tensor:
        told = torch.eye(SITUATIONS)[:, None].expand(-1, noise.shape[1], -1)
        actions: Tensor = self.layers(torch.cat([noise, told], dim=-1))
        return actions


def sides(actions: Tensor) -> Tensor:
    """Share of the actions of each situation that pass on the left, [B]."""
    return (actions.unflatten(2, (STEPS, 2))[:, :, STEPS // 2, 1] < 0).float().mean(dim=1)


def train(updates: int, seed: int = 0) -> tuple[Policy, Watch, list[str]]:
    """The trained policy, what was watched, and what the watch said."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    data, policy, watch = demonstrations(generator), Policy(), Watch()
    optimizer = torch.optim.AdamW(policy.parameters(), lr=2e-3)
    remarks: list[str] = []
    for _ in range(updates):
        chosen = torch.randperm(DEMONSTRATIONS, generator=generator)[:BATCH]
        gen = policy(torch.randn(SITUATIONS, GENERATED, NOISE, generator=generator))
        loss, info = drift_loss(gen, data[:, chosen])
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
        remarks += watch(info, gen=gen, pos=data[:, chosen])
    return policy, watch, remarks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--updates", type=int, default=600)
    policy, watch, remarks = train(parser.parse_args().updates)
    for remark in remarks:
        print(f"watch: {remark}")
    for tau, means in watch.fields.items():
        said = f"{means[0]:.3g} at first, {max(means):.3g} at most, {means[-1]:.3g} now"
        print(f"raw field at {tau}: {said}")
    with torch.no_grad():
        left = sides(policy(torch.randn(SITUATIONS, 1000, NOISE)))
    print("share that passes on the left:", " ".join(f"{one:.2f}" for one in left.tolist()))


if __name__ == "__main__":
    main()

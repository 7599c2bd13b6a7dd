"""Pre-training of the masked autoencoder whose features the drifting loss uses (paper A.3)."""

from drift.pretrain.run import FIGURES, PretrainOptions, PretrainRun, export, pretrain, start

__all__ = ["FIGURES", "PretrainOptions", "PretrainRun", "export", "pretrain", "start"]

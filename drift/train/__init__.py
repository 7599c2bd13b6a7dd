"""Training: one optimisation step without hidden randomness, and what it needs."""

from drift.train.config import TrainConfig
from drift.train.step import StepBatch, TrainState, train_step

__all__ = ["StepBatch", "TrainConfig", "TrainState", "train_step"]

"""Training: one optimisation step without hidden randomness, and what it needs."""

from drift.train.batch import StepBatch
from drift.train.config import TrainConfig
from drift.train.step import TrainState, train_step

__all__ = ["StepBatch", "TrainConfig", "TrainState", "train_step"]

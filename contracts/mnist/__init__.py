"""MNIST: One run on the digits of 28 x 28, beside its baselines; its checks are those of `run`."""

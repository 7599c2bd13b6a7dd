"""RUN: Whole runs on digits, from pre-training to figures, beside their baselines."""

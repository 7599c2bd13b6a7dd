"""ABLATION: The paper's orderings at a small scale, re-derived from kept records."""

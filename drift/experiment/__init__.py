"""Cycles of experiments: at most three at a time, in three stages, judged by paired intervals."""

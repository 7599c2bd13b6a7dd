"""EVAL: Reported figures of merit."""

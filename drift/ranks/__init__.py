"""The processes of a run: who they are, what they agree on, how several give what one gives."""

from drift.ranks.processes import ALONE, Ranks

__all__ = ["ALONE", "Ranks"]

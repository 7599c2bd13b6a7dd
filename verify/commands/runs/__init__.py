"""Commands that carry out a run, repeat it, or show it."""

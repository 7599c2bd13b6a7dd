"""Whole runs: what stops one, what it keeps and shows, how it goes on."""

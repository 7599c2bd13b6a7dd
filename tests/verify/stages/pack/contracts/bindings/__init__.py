"""The code of the staged repository."""

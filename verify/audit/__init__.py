"""Somebody else's implementation, in a process and an environment of its own."""

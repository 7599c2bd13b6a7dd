"""DIVERGENCES: The two semantics differ exactly as listed."""

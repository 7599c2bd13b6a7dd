"""Subjects, checks and mutants of this pack."""

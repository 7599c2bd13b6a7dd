"""Subjects, checks and mutants that tie the contracts to an implementation."""

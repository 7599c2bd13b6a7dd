"""GATES: What stands before a run, a change and a release."""

"""Commands that hold what is said against what is known."""

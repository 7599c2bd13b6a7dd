"""What a pack states: reading, validating, linting and selecting it."""

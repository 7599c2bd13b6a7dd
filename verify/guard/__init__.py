"""What may be changed: the frontier of a change, and files under protection."""

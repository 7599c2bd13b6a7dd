"""FIELD: Laws of the drifting field."""

"""How many examples a property draws."""

PROFILES = {"quick": 20, "default": 50, "nightly": 2000}

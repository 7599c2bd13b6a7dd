"""A declarative spec-and-contract harness: what may be claimed, at which tier, on which evidence."""

__version__ = "0.1.0"

"""A declarative spec-and-contract harness: what may be claimed, and on which evidence."""

__version__ = "0.1.0"

"""INTERFACE: Interface v1 is what the snapshot froze."""

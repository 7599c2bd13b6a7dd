"""PROVENANCE: Recorded evidence is unchanged."""

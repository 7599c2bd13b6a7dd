"""Everything people and machines read of a run, rendered from its evidence alone."""

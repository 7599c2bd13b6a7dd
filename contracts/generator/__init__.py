"""GEN: The generator computes what the reference's computes."""

"""What a change does to the rules of a pack: stricter, looser or neutral."""

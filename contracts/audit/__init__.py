"""Anybody's implementation, judged by what its functions give for arrays."""

"""RANKS: A run of several processes is the run of one."""

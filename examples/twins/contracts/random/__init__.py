"""RANDOM: one stream of random numbers for both twins."""

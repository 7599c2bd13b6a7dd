"""Data sets that come with a package, as arrays: nothing is fetched."""

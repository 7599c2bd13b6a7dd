"""`python -m verify`, the same as the console script."""

from verify.cli import main

main()

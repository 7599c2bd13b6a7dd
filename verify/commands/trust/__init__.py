"""Commands on signatures and on files that change only by decision."""

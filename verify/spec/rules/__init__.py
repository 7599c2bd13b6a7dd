"""Rules that one file alone cannot break: what each kind of file owes to the others."""

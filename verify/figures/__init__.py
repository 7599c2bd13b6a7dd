"""Figures measured elsewhere: the axis each is on, its record, and what a proxy may rank."""

"""Signed statements: who measured what, of which files, and whether that signature counts here."""

"""Commands on what is to be done next, and on what was tried."""

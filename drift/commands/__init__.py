"""Commands of the `drift` command line; each module exposes `command`."""

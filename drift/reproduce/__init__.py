"""A template carried through to its report as steps that are keyed by what they depend on."""

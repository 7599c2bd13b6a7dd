"""A pack: one room a contract, with its sentences, its checks and its mutants."""

"""The contract pack of the drifting-model engine: one room a contract, sentences and code."""

"""The contract pack of the drifting-model engine; `contracts.bindings` is its only code."""

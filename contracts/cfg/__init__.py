"""CFG: Guidance scale alpha and the weight of the unconditional negatives."""

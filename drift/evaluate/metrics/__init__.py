"""What is computed from features: distances, neighbours, scores, each with its interval."""

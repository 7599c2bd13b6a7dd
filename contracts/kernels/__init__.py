"""The ways to compute the loss, held to one another and to the recordings."""

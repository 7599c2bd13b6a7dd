"""Known mistakes: a switch of the loss for each, and the search for those behind given numbers."""

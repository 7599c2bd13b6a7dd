"""TOY: Toy runs on the paper's distributions of the plane."""

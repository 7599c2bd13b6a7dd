"""DIGITS: Toy runs on scikit-learn's real handwritten digits."""

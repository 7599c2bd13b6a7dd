"""The overclaim lint: what a text asserts, held against what the evidence carries."""

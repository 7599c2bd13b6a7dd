"""ENCODER: The masked autoencoder, its loss and its activations."""

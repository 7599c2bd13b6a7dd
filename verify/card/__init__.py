"""The model card: written from a bundle, held against it, with room for a person's own words."""

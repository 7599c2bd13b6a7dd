"""Commands on one file of a model: read in, written out, inspected, stamped."""

"""A small simulation written twice: a reference in Python and a twin in C, with one stream of
random numbers."""

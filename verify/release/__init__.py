"""Whether a version may be released: gates, the evidence behind each, and one verdict."""

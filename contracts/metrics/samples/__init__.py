"""What figures are about: how samples are drawn, with which weights, and written; pipelines."""

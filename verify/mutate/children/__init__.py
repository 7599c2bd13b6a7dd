"""A folder for the path of processes that a program starts: it holds their `sitecustomize`."""

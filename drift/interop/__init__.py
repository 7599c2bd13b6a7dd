"""Exchange with the reference release: parameter layouts, artefacts and files."""

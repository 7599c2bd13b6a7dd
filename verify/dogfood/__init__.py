"""The first user's path, walked in a clean environment: what a page says is typed as it stands."""

"""A latent cache: images encoded once, shard by shard, and read again as a source."""

"""Features of images, by networks of pinned weights, and statistics made of them."""

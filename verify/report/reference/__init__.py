"""Every clause of a pack as pages to read: what it says, why, how it is seen to fail."""

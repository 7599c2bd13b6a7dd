"""DATA: Real samples from files to the queues."""

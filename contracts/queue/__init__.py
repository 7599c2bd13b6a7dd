"""QUEUE: Queues of real samples."""

"""Commands on the pack itself: written, checked, looked up."""

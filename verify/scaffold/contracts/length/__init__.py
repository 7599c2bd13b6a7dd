"""LENGTH: Conversion of lengths."""

"""What can be audited: this engine, the oracle, the departures recorded of another project."""

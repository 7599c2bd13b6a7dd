"""What several rooms use: the oracle, recorded cases, draws, laws."""

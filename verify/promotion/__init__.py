"""Promoted runs: a record with everything a reader needs, held against its evidence."""

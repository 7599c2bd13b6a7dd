"""The pack of the twins: one room a contract."""

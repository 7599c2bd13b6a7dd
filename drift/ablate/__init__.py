"""The paper's orderings at a small scale: tables of settings, their runs, what separates."""

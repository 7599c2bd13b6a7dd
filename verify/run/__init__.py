"""Executing a plan: workers, budgets, falsifiers, evidence."""

"""The processes that carry out checks: started, fed, measured, held to their budgets, ended."""

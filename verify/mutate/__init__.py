"""Generic mutants of a pack's code: how many mistakes nobody chose would its clauses notice?"""

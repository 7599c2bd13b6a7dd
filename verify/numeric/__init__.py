"""What checks of numbers share: comparing, recorded cases, drawing clouds, judging a law.

A pack's code imports these modules; nothing of the harness does, so that it starts without NumPy.
"""

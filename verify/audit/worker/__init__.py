"""Serves one subject: runs under any interpreter, needs the standard library and NumPy alone.

`__main__` is started by path (`PYTHON -I __main__.py`); `frames` says what goes through the pipe,
`served` what is called, `origin` which code it is, `loop` when. The workers of a run import
`frames` too.
"""

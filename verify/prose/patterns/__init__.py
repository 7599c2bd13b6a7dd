"""Lexical cues, as tables of phrases in the language of `verify.prose.words`.

Each table says what its phrases show. A new cue is a phrase in a table, never a rule in code, and
comes with a sentence in tests/verify/prose that needs it.
"""

"""Artefacts: one safetensors file that says what it holds, and is held to it.

header     the file format, read as untrusted bytes, without torch
schema     the metadata fields and what each of them may hold
evidence   width, depth, patch size and the rest, inferred from the tensors' shapes
claims     metadata and file name held against that evidence
quality    the score of `drift inspect`
stamping   metadata patched in place; no tensor byte moves
probe      a recorded output that the loaded model must reproduce
store      `save_artifact` and `load_artifact`
convert    the reference's directory to an artefact and back

Importing this package imports neither torch nor numpy.
"""

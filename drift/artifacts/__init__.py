"""Artefacts: one safetensors file that says what it holds, and is held to it.

header         the file format, read as untrusted bytes, without torch
schema         the metadata fields and what each of them may hold
evidence       width, depth, patch size and the rest, inferred from the tensors' shapes
claims         metadata and file name held against that evidence
contents       the digest of the tensors' bytes, and what is not finite
quality        the score of `drift inspect`
stamping       metadata patched in place; no tensor byte moves
architectures  how each model is built, and how its configuration is written
filling        a file's tensors into a model: every one, in its shape, and no other
probe          a recorded output that the loaded model must reproduce
store          `save_artifact`, `load_artifact`, `load_generator`, `load_encoder`
convert        the reference's directory to an artefact and back
parameters     parameters by module, against the paper's and the reference's totals

Importing this package imports neither torch nor numpy.
"""

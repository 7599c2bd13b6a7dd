"""Real samples: where they come from and in which order a run sees them.

source       the protocol of a source, and one in memory
digits       scikit-learn's digits; embedded: all sets that come with a package
folder       image folders and tar archives, listed by `listing` and cut by `crop`
latents      latent caches, described by `manifest`, made by `encode` with `tokenizer`, `posterior`
opening      what a template asks for
loader       the order
"""

from drift.data.digits import DigitsSource
from drift.data.folder import FolderSource
from drift.data.latents import LatentSource
from drift.data.loader import Loader
from drift.data.opening import open_own, open_source
from drift.data.source import DataError, Source, TensorSource

__all__ = [
    "DataError",
    "DigitsSource",
    "FolderSource",
    "LatentSource",
    "Loader",
    "Source",
    "TensorSource",
    "open_own",
    "open_source",
]

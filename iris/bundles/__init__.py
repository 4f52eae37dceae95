"""The user's code as one file, named by its SHA-256, and what attempts leave."""

from iris.bundles.listing import list_files
from iris.bundles.outputs import PackedOutputs, pack_outputs
from iris.bundles.packing import MOST_BYTES, Bundle, pack, show_size
from iris.bundles.unpacking import unpack

__all__ = [
    "MOST_BYTES",
    "Bundle",
    "PackedOutputs",
    "list_files",
    "pack",
    "pack_outputs",
    "show_size",
    "unpack",
]

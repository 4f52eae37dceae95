"""The user's code as one file, named by its SHA-256."""

from iris.bundles.listing import list_files
from iris.bundles.packing import MOST_BYTES, Bundle, pack
from iris.bundles.unpacking import unpack

__all__ = ["MOST_BYTES", "Bundle", "list_files", "pack", "unpack"]

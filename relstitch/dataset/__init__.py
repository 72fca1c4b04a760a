"""A source → ids, items, labels, splits and content hashes: the only room that reads data sets.

Every kind of table becomes a `relstitch.dataset.tables.Table` first, so that ids, labels and problems are treated
alike whatever file they come from.
"""

from relstitch.dataset.contents import Columns, Dataset, ImageRef, describe
from relstitch.dataset.options import FORMATS, FormatName, ReadOptions
from relstitch.dataset.pictures import open_image, quiet_decoding
from relstitch.dataset.pixels import pixel_targets
from relstitch.dataset.reading import read_dataset
from relstitch.names import MAX_PIXELS

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "Columns",
    "Dataset",
    "FormatName",
    "ImageRef",
    "ReadOptions",
    "describe",
    "open_image",
    "pixel_targets",
    "quiet_decoding",
    "read_dataset",
]

"""Pictures as targets: the pixels that a decoder is to draw."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from relstitch.artifacts import Rows, Targets
from relstitch.dataset.contents import Dataset, ImageRef
from relstitch.dataset.pictures import open_image, quiet_decoding
from relstitch.errors import DatasetError, UsageError, counted
from relstitch.names import MAX_PIXELS

_LARGEST = 8 * 2**30
"""Bytes that all pictures together may take: a size costs nothing to write."""


def pixel_targets(
    dataset: Dataset,
    *,
    size: int = 32,
    grey: bool = False,
    wanted: Collection[str] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Rows:
    """Decode the pictures of a dataset and scale them to one size: targets for a decoder that reconstructs.

    Args:
        dataset: n pictures, of any sizes.
        size: Height and width of the targets; what is not square is squeezed.
        grey: One channel (luminance) instead of three. Where every picture is grey, one is enough anyway.
        wanted: The ids of the pictures that are needed; the others are not decoded and have no target. None: all.
        max_pixels: Larger pictures are refused.

    Returns:
        The dataset's rows with targets of kind ``image``, uint8 [n, size, size, channels].

    Raises:
        DatasetError: The items are no pictures, or one cannot be decoded.
        UsageError: A size below 1, or one at which the pictures would fill the memory.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> stream = io.BytesIO()
        >>> Image.new("RGB", (8, 6), (255, 0, 0)).save(stream, "PNG")
        >>> pictures = Dataset(Rows.build(["a"]), [ImageRef("a.png", data=stream.getvalue())], "image")
        >>> pixel_targets(pictures, size=2).targets.values[0, 0, 0].tolist()
        [255, 0, 0]
    """
    if dataset.modality != "image":
        raise DatasetError(f"{dataset.source}: the items are of kind {dataset.modality!r}; expected pictures.")
    if size < 1:
        raise UsageError(f"Pictures of size {size} were asked for; a size is at least 1.")
    taken = len(dataset) * size * size * (1 if grey else 3)
    if taken > _LARGEST:
        raise UsageError(
            f"{counted(len(dataset), 'picture')} of {size} × {size} pixels take {taken / 2**30:.0f} GB; at most "
            f"{_LARGEST // 2**30} GB are held. Choose a smaller size (--size)."
        )
    present = np.ones(len(dataset), dtype=bool)
    if wanted is not None:
        asked = set(wanted)
        present = np.array([name in asked for name in dataset.rows.ids.tolist()], dtype=bool)
    values = np.zeros((len(dataset), size, size, 1 if grey else 3), dtype=np.uint8)
    with quiet_decoding():
        for row in np.flatnonzero(present).tolist():
            values[row] = _pixels(dataset.items[row], size, max_pixels, grey=grey)
    if not grey and (values == values[..., :1]).all():
        values = np.ascontiguousarray(values[..., :1])
    return replace(dataset.rows, targets=Targets("image", values, present))


def _pixels(
    ref: ImageRef, size: int, max_pixels: int, *, grey: bool
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    from PIL import Image

    with open_image(ref, max_pixels=max_pixels) as image:
        toned = image.convert("L") if grey else image
        # Bilinear: Pillow averages over what a new pixel covers, so that nothing is skipped.
        scaled = toned.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(scaled, dtype=np.uint8).reshape(size, size, -1)

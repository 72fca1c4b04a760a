"""Picture files → upright RGB pictures of 8 bits, whole or an error that names the file."""

import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from relstitch.dataset.contents import ImageRef
from relstitch.dataset.file_kinds import HEAD, file_kind, picture_kind
from relstitch.errors import DatasetError, counted
from relstitch.names import MAX_PIXELS

if TYPE_CHECKING:
    from PIL import Image

WHITE = (255, 255, 255)

# What Pillow's readers raise on damaged files besides OSError.
_DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError, ArithmeticError,
    NotImplementedError, struct.error, zlib.error,
)  # fmt: skip
_PILLOW_LIMIT = threading.Lock()
_SIXTEEN_BITS = 65535
_WAY_OUT = "Replace the file, or leave the row out with --on-bad skip."


@contextmanager
def quiet_decoding() -> Iterator[None]:
    """Keep Pillow's remarks on odd files off standard error; what it cannot decode is an error all the same.

    To be entered around all decoding, not in each thread that decodes: filters of warnings belong to the process.
    """
    log = logging.getLogger("PIL")
    level = log.level
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
        log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            log.setLevel(level)


def open_image(
    ref: ImageRef, *, max_pixels: int = MAX_PIXELS, background: tuple[int, int, int] = WHITE
) -> "Image.Image":
    """Decode a picture, all of it.

    The first frame of an animation; turned upright as its EXIF orientation says; 16-bit grey scaled to 8 bits;
    whatever is transparent laid on the background; palettes, grey, CMYK and other modes converted to RGB.

    Args:
        ref: The picture. What the file holds decides how it is read, not its name.
        max_pixels: Pictures with more pixels (width × height) are refused before they are decoded.
        background: What is seen through transparent pixels, red, green and blue in 0 … 255.

    Returns:
        A picture of mode RGB.

    Raises:
        DatasetError: Naming the file: it is missing, empty, cut short, too large, or no picture.
    """
    from PIL import Image, ImageOps

    data = ref.read()
    if not data:
        raise DatasetError(f"{ref.name} is empty (0 bytes); expected a picture. {_WAY_OUT}")
    try:
        with _opened(data) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise DatasetError(_too_large(ref.name, f"{width} × {height} = {width * height}", max_pixels))
            image.load()
            return _to_rgb(ImageOps.exif_transpose(image), ref.name, background)
    except Image.DecompressionBombError as error:
        raise DatasetError(_too_large(ref.name, "far too many", max_pixels)) from error
    except _DAMAGE as error:
        raise DatasetError(_undecodable(ref.name, data, error)) from error


def _opened(data: bytes) -> "Image.Image":
    """Read the header only. Pillow's own bound on pixels is a global: ours is an argument, and checked instead."""
    from PIL import Image

    with _PILLOW_LIMIT:
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            return Image.open(BytesIO(data))
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _too_large(name: str, pixels: str, max_pixels: int) -> str:
    return (
        f"{name}: the picture has {pixels} pixels; at most {max_pixels} are decoded. Make it smaller, leave the row "
        "out with --on-bad skip, or raise --max-pixels if you trust the file."
    )


def _undecodable(name: str, data: bytes, error: Exception) -> str:
    head = data[:HEAD]
    kind = file_kind(head)
    picture = picture_kind(head)
    if kind is not None and picture is None:
        return f"{name} is {kind}; expected a picture. {_WAY_OUT}"
    if picture is None:
        return (
            f"{name} is no picture of a known kind ({counted(len(data), 'byte')}); expected for example PNG or JPEG. "
            f"{_WAY_OUT}"
        )
    # Pillow says so in words only; a file that ends too early also ends inside a chunk or a marker.
    short = isinstance(error, EOFError | struct.error) or "truncated" in str(error).lower()
    found = "cut short" if short else "damaged"
    return f"{name} is {picture} that is {found} ({counted(len(data), 'byte')}) and cannot be decoded. {_WAY_OUT}"


def _to_rgb(image: "Image.Image", name: str, background: tuple[int, int, int]) -> "Image.Image":
    from PIL import Image

    if image.mode.startswith("I"):
        return _from_integers(image)
    if image.mode == "F":
        return _from_floats(image, name)
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    canvas = Image.new("RGBA", layer.size, (*background, 255))
    canvas.alpha_composite(layer)
    return canvas.convert("RGB")


def _from_integers(image: "Image.Image") -> "Image.Image":
    """16-bit grey (Pillow's ``I;16``, or ``I`` in older versions) scaled to 8 bits; 32 bits by their own range."""
    from PIL import Image

    values = np.asarray(image).astype(np.int64).clip(0)
    top = _SIXTEEN_BITS if values.max(initial=0) <= _SIXTEEN_BITS else 2**31 - 1
    return Image.fromarray(((values * 255 + top // 2) // top).astype(np.uint8)).convert("RGB")


def _from_floats(image: "Image.Image", name: str) -> "Image.Image":
    """Floating-point grey in 0 … 1 or 0 … 255."""
    from PIL import Image

    values = np.asarray(image)
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if not (np.isfinite(values).all() and low >= 0 and high <= 255):
        raise DatasetError(
            f"{name} has floating-point pixels from {low:g} to {high:g}; expected 0 to 1, or 0 to 255. {_WAY_OUT}"
        )
    return Image.fromarray((values * (255 if high <= 1 else 1)).round().astype(np.uint8)).convert("RGB")

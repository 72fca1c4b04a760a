"""What a file is by its first bytes, whatever it is called."""

from pathlib import PurePath

IMAGE_SUFFIXES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".apng",
        ".webp",
        ".bmp",
        ".dib",
        ".gif",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".avif",
        ".jp2",
        ".tga",
    ]
)
HEAD = 512
"""How many bytes from the beginning decide."""

_LFS = b"version https://git-lfs.github.com/spec/"
_IMAGES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
)
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (_LFS, "a Git LFS pointer, not the file itself (fetch it with: git lfs pull)"),
    (b"PAR1", "a Parquet file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x1f\x8b", "a gzip archive (unpack it first)"),
    (b"PK\x03\x04", "a zip archive (unpack it first; a workbook: save it as CSV)"),
    (b"%PDF-", "a PDF document"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"ARROW1", "an Arrow file (save it as Parquet)"),
)


def picture_kind(head: bytes) -> str | None:
    """Which kind of picture begins with these bytes, or None for anything else.

    Example:
        >>> picture_kind(b"GIF89a...")
        'a GIF picture'
    """
    for magic, kind in _IMAGES:
        if head.startswith(magic):
            return kind
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "a WebP picture"
    if head.startswith(b"BM") and head[6:10] == b"\x00\x00\x00\x00":
        return "a BMP picture"
    return None


def file_kind(head: bytes) -> str | None:
    """What a file that begins with these bytes is, in words; None when it may be plain text.

    Example:
        >>> file_kind(b"<!DOCTYPE html><title>404</title>")
        'an HTML page'
    """
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    for magic, kind in _OTHERS:
        if head.startswith(magic):
            return kind
    return picture_kind(head)


def is_picture_name(name: str) -> bool:
    """Whether a file name has the extension of a picture, in capitals or not.

    Example:
        >>> is_picture_name("DSC01.JPG"), is_picture_name("notes.txt")
        (True, False)
    """
    return PurePath(name).suffix.lower() in IMAGE_SUFFIXES

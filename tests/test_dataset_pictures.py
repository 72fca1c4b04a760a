"""Decoding: whole, upright, RGB, 8 bits; or an error that names the file and says what it is."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from dataset_samples import picture
from PIL import Image

from relstitch.dataset import ImageRef, open_image
from relstitch.errors import DatasetError

WAY_OUT = "Replace the file, or leave the row out with --on-bad skip."


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """A picture as the bytes of a file."""
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def decoded(data: bytes, **options: tuple[int, int, int]) -> np.ndarray:
    """The pixels that `open_image` gives, [height, width, 3]."""
    image = open_image(ImageRef("x", data=data), **options)  # type: ignore[arg-type]
    assert image.mode == "RGB"
    return np.asarray(image)


def refusal(data: bytes, *, max_pixels: int = 10_000, name: str = "d/x.jpg") -> str:
    with pytest.raises(DatasetError) as refused:
        open_image(ImageRef(name, data=data), max_pixels=max_pixels)
    return str(refused.value)


def noise(height: int = 20, width: int = 40) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_lossless_kinds_give_their_pixels(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(decoded(encoded(noise(), kind, **options)), np.asarray(noise()))


def test_a_file_is_read_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "really_png.jpg"
    path.write_bytes(encoded(noise()))
    np.testing.assert_array_equal(np.asarray(open_image(ImageRef(str(path)))), np.asarray(noise()))
    np.testing.assert_array_equal(np.asarray(open_image(ImageRef("x", path=path))), np.asarray(noise()))


# What each EXIF orientation asks for, as an operation on [height, width, 3].
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", sorted(UPRIGHT))
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_pictures_are_turned_upright(orientation: int, kind: str) -> None:
    """datasets #6252: orientation 6 on a 40 × 20 picture gives 20 × 40."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decoded(encoded(noise(), kind, exif=exif))
    np.testing.assert_array_equal(pixels, UPRIGHT[orientation](np.asarray(noise())))


def test_a_jpeg_of_orientation_6_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decoded(encoded(noise(), "JPEG", exif=exif)).shape == (40, 20, 3)
    assert decoded(encoded(noise(), "JPEG")).shape == (20, 40, 3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PGM"])
def test_16_bit_grey_is_scaled_not_clipped(kind: str) -> None:
    """Pillow #5991."""
    grey = np.array([[0, 128, 256], [32768, 40000, 65535]], dtype=np.uint16)
    if kind == "PGM":
        data = b"P5\n3 2\n65535\n" + grey.astype(">u2").tobytes()
    else:
        data = encoded(Image.fromarray(grey), kind)
    expected = np.round(grey / 65535 * 255)
    np.testing.assert_allclose(decoded(data), expected[..., None].repeat(3, axis=2), atol=0.51)
    assert len(np.unique(decoded(data))) > 3


def test_32_bit_grey_is_scaled_by_its_own_range() -> None:
    wide = np.array([[0, 2**29, 2**31 - 1]], dtype=np.int32)
    assert decoded(encoded(Image.fromarray(wide), "TIFF"))[0, :, 0].tolist() == [0, 64, 255]


def test_floating_point_grey() -> None:
    for values, shown in (([0.0, 0.5, 1.0], [0, 128, 255]), ([0.0, 99.6, 255.0], [0, 100, 255])):
        data = encoded(Image.fromarray(np.array([values], dtype=np.float32)), "TIFF")
        assert decoded(data)[0, :, 0].tolist() == shown
    for value, bounds in ((1000.0, (0, 1000)), (-1.0, (-1, 0)), (float("nan"), ("nan", "nan"))):
        data = encoded(Image.fromarray(np.array([[0.0, value]], dtype=np.float32)), "TIFF")
        assert refusal(data) == (
            f"d/x.jpg has floating-point pixels from {bounds[0]} to {bounds[1]}; expected 0 to 1, or 0 to 255. Replace the file, or leave "
            "the row out with --on-bad skip."
        )


def palette() -> Image.Image:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 0), 1)
    return image


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded(Image.new("RGBA", (1, 1), (255, 0, 0, 0))), (0, 0, 255)),
        (encoded(Image.new("RGBA", (1, 1), (255, 0, 0, 255))), (255, 0, 0)),
        (encoded(Image.new("RGBA", (1, 1), (255, 0, 0, 128))), (128, 0, 127)),
        (encoded(Image.new("LA", (1, 1), (90, 0))), (0, 0, 255)),
        (encoded(palette(), transparency=0), (0, 0, 255)),
        (encoded(palette()), (255, 0, 0)),
        (encoded(palette(), "GIF", transparency=0), (0, 0, 255)),
        (encoded(Image.new("L", (1, 1), 7), transparency=7), (0, 0, 255)),
        (encoded(Image.new("RGB", (1, 1), (1, 2, 3)), transparency=(1, 2, 3)), (0, 0, 255)),
    ],
    ids=["clear", "opaque", "half", "LA", "palette", "palette, opaque", "GIF", "grey key", "RGB key"],
)
def test_transparency_is_laid_on_the_background(data: bytes, expected: tuple[int, int, int]) -> None:
    """Colours that are hidden under transparency are not seen."""
    assert tuple(decoded(data, background=(0, 0, 255))[0, 0]) == expected


def test_the_background_is_white_unless_it_is_named() -> None:
    assert decoded(encoded(Image.new("RGBA", (1, 1), (255, 0, 0, 0)))).tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_converted(kind: str) -> None:
    assert decoded(encoded(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), kind))[0, 0].tolist() == [255, 0, 0]


def test_other_modes_are_converted() -> None:
    assert decoded(encoded(Image.new("1", (1, 1), 1)))[0, 0].tolist() == [255, 255, 255]
    assert decoded(encoded(Image.new("L", (1, 1), 77)))[0, 0].tolist() == [77, 77, 77]


def test_the_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (4, 4), color) for color in ((255, 0, 0), (0, 255, 0))]
    assert decoded(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("kind", "word"), [("JPEG", "JPEG"), ("PNG", "PNG"), ("GIF", "GIF"), ("BMP", "BMP"), ("TIFF", "TIFF")]
)
def test_a_picture_that_is_cut_short(kind: str, word: str) -> None:
    """pytorch #7238: it fails when it is decoded, not when it is opened; and no grey rest is made up."""
    data = encoded(noise(), kind)
    half = data[: len(data) // 2]
    assert (
        refusal(half)
        == f"d/x.jpg is a {word} picture that is cut short ({len(half)} bytes) and cannot be decoded. {WAY_OUT}"
    )


def test_a_damaged_picture() -> None:
    data = bytearray(encoded(noise()))
    data[60] ^= 0xFF
    assert refusal(bytes(data)) == (
        f"d/x.jpg is a PNG picture that is damaged ({len(data)} bytes) and cannot be decoded. {WAY_OUT}"
    )
    assert refusal(b"RIFF\x10\x00\x00\x00WEBPVP8 ") == (
        f"d/x.jpg is a WebP picture that is damaged (16 bytes) and cannot be decoded. {WAY_OUT}"
    )


def test_files_that_are_no_pictures() -> None:
    assert refusal(b"") == (
        "d/x.jpg is empty (0 bytes); expected a picture. Replace the file, or leave the row out with --on-bad skip."
    )
    assert refusal(b"<!doctype html><p>404") == f"d/x.jpg is an HTML page; expected a picture. {WAY_OUT}"
    assert refusal(b"version https://git-lfs.github.com/spec/v1\noid") == (
        f"d/x.jpg is a Git LFS pointer, not the file itself (fetch it with: git lfs pull); expected a picture. {WAY_OUT}"
    )
    assert refusal(b"hello world") == (
        f"d/x.jpg is no picture of a known kind (11 bytes); expected for example PNG or JPEG. {WAY_OUT}"
    )


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_no_bytes_at_all_give_another_error() -> None:
    """Whatever the bytes are, only our error comes out: every prefix and many flipped bits of small files."""
    generator = np.random.default_rng(1)
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"):
        data = encoded(noise(4, 5), kind)
        for length in range(0, len(data), 7):
            damaged = bytearray(data[: length or None])
            damaged[int(generator.integers(len(damaged)))] ^= int(generator.integers(1, 256))
            try:
                open_image(ImageRef("x", data=bytes(damaged)), max_pixels=10_000)
            except DatasetError as error:
                assert str(error).startswith("x")  # noqa: PT017


def test_too_many_pixels_are_refused_before_decoding() -> None:
    assert refusal(picture(size=(200, 100))) == (
        "d/x.jpg: the picture has 200 × 100 = 20000 pixels; at most 10000 are decoded. Make it smaller, leave the row "
        "out with --on-bad skip, or raise --max-pixels if you trust the file."
    )
    # A header that promises 60 000 × 60 000 pixels in a file of 100 bytes.
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = bytearray(picture())
    bomb[16:29] = header
    bomb[29:33] = struct.pack(">I", zlib.crc32(b"IHDR" + header))
    assert "60000 × 60000 = 3600000000 pixels; at most 89478485 are decoded" in refusal(
        bytes(bomb), max_pixels=89_478_485
    )


def test_the_bound_is_the_argument_and_pillow_s_own_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert open_image(ImageRef("x", data=picture(size=(20, 20))), max_pixels=400).size == (20, 20)
    assert Image.MAX_IMAGE_PIXELS == 10


def test_a_bomb_that_pillow_finds_while_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_self: object) -> None:
        raise Image.DecompressionBombError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    assert refusal(picture()).startswith("d/x.jpg: the picture has far too many pixels; at most 10000 are decoded.")


def test_a_missing_file() -> None:
    with pytest.raises(DatasetError) as refused:
        open_image(ImageRef("nowhere/x.png"))
    assert str(refused.value) == (
        "nowhere/x.png: the picture cannot be read (No such file or directory). Put the file back, or leave the row out "
        "with --on-bad skip."
    )

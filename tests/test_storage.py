"""Every kind of file comes back as it went in, and files of every past format can still be read."""

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import storage_samples as samples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load_file

from relstitch import storage
from relstitch.artifacts import AnchorList, Decoder, Embeddings, Relative, Rows, Skipped, Targets
from relstitch.artifacts.rows import TargetKind, texts_array
from relstitch.errors import ArtifactError
from relstitch.storage import metadata, tensors
from relstitch.storage.texts import pack_hashes, pack_texts, unpack_hashes, unpack_texts

DATA = Path(__file__).parent / "data"
KINDS = list(samples.SAMPLES)
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def golden(kind: str) -> Path:
    return DATA / samples.file_name(kind).replace(".", ".v1.", 1)


def round_trip(artifact: storage.Artifact, path: Path, **options: Any) -> storage.Artifact:
    storage.save(artifact, path, force=True, **options)
    return storage.load(path)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_comes_back(kind: str, tmp_path: Path) -> None:
    path = tmp_path / samples.file_name(kind)
    artifact = samples.SAMPLES[kind]()
    samples.assert_same(round_trip(artifact, path), artifact)
    assert storage.peek(path) == kind
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", KINDS)
def test_golden_files_of_format_1_are_read(kind: str) -> None:
    """Made once with ``save(samples.SAMPLES[kind](), golden(kind))`` of the first version; never made anew."""
    samples.assert_same(storage.load(golden(kind)), samples.SAMPLES[kind]())
    assert storage.inspect(golden(kind)).problems == ()
    assert storage.inspect(golden(kind)).format == 1


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_today_is_format_1_as_it_was(kind: str, tmp_path: Path) -> None:
    path = tmp_path / samples.file_name(kind)
    storage.save(samples.SAMPLES[kind](), path)
    if kind == "anchors":
        assert path.read_bytes() == golden(kind).read_bytes()
        return
    today, then = tensors.read_tensors(path), tensors.read_tensors(golden(kind))
    samples.assert_same(today.tensors, then.tensors)
    new = {"checksum", "written_by"}
    assert {k: v for k, v in today.facts.items() if k not in new} == {
        k: v for k, v in then.facts.items() if k not in new
    }


def test_typed_loaders_give_their_type() -> None:
    assert isinstance(storage.load_embeddings(golden("embeddings")), Embeddings)
    assert isinstance(storage.load_relative(golden("relative")), Relative)
    assert isinstance(storage.load_decoder(golden("decoder")), Decoder)
    assert storage.load_anchors(golden("anchors")).k == 2
    assert isinstance(storage.load_spaces(golden("embeddings")), Embeddings)
    assert isinstance(storage.load_spaces(golden("relative")), Relative)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
HASH = st.one_of(st.just(""), st.binary(min_size=16, max_size=16).filter(any).map(bytes.hex))


@st.composite
def some_targets(draw: st.DrawFn, n: int) -> Targets | None:
    kind: TargetKind = draw(st.sampled_from(["class", "multilabel", "real", "image"]))
    if draw(st.booleans()):
        return None
    numbers = np.random.default_rng(draw(st.integers(0, 99)))
    present = numbers.random(n) < 0.7
    if kind == "class":
        labels = [
            str(code) if there else None for code, there in zip(numbers.integers(0, 3, n), present, strict=True)
        ]
        return Targets.from_labels(labels)
    if kind == "multilabel":
        return Targets(kind, numbers.random((n, 3)) < 0.5, present, ("a", "ü", ""))
    if kind == "real":
        return Targets(kind, numbers.normal(size=(n, 2)).astype(np.float32), present, ("x", "y"))
    return Targets(kind, numbers.integers(0, 256, (n, 2, 3, 3), dtype=np.uint8), present)


@st.composite
def some_rows(draw: st.DrawFn) -> Rows:
    ids = draw(st.lists(TEXT, max_size=6, unique=True))
    n = len(ids)
    counts = np.arange(n, dtype=np.float64) if draw(st.booleans()) else None
    return Rows.build(
        ids,
        hashes=draw(st.lists(HASH, min_size=n, max_size=n)),
        splits=draw(st.lists(TEXT, min_size=n, max_size=n)),
        targets=draw(some_targets(n)),
        counts=counts,
    )


SKIPPED = st.lists(st.builds(Skipped, TEXT, TEXT, TEXT), max_size=3).map(tuple)


def same_rows_after_reading(path: Path, artifact: Embeddings | Relative) -> None:
    loaded = round_trip(artifact, path)
    samples.assert_same(loaded, artifact)
    assert isinstance(loaded, Embeddings | Relative)
    assert loaded.rows.fingerprint == artifact.rows.fingerprint


@QUICK
@given(rows=some_rows(), skipped=SKIPPED, d=st.integers(1, 3))
def test_any_embeddings_come_back(rows: Rows, skipped: tuple[Skipped, ...], d: int, tmp_path: Path) -> None:
    made = Embeddings(rows, samples.matrix(len(rows), d), samples.stamp(d), skipped, {"truncated": len(rows)})
    same_rows_after_reading(tmp_path / "a.safetensors", made)


@QUICK
@given(rows=some_rows(), skipped=SKIPPED)
def test_any_relative_representations_come_back(rows: Rows, skipped: tuple[Skipped, ...], tmp_path: Path) -> None:
    made = replace(samples.relative(), rows=rows, values=samples.matrix(len(rows), 2), skipped=skipped)
    same_rows_after_reading(tmp_path / "a.safetensors", made)


@QUICK
@given(
    names=st.lists(TEXT, unique=True, max_size=4).map(tuple),
    shape=st.lists(st.integers(0, 3), max_size=3).map(tuple),
    dtype=st.sampled_from(["f2", "f4", "f8", "i1", "i4", "i8", "u1", "u8", "?"]),
    spaces=st.integers(0, 2),
)
def test_any_decoder_comes_back(
    names: tuple[str, ...], shape: tuple[int, ...], dtype: str, spaces: int, tmp_path: Path
) -> None:
    whole = samples.decoder()
    made = replace(
        whole,
        method="mlp",
        task="real",
        names=names,
        arrays={"w": np.ones(shape, dtype), "layer.0.w": np.zeros(2)},
        encoder=whole.encoder if spaces else None,
        projection=whole.projection if spaces else None,
        spaces=whole.spaces[:spaces],
    )
    samples.assert_same(round_trip(made, tmp_path / "a.safetensors"), made)


@QUICK
@given(
    ids=st.lists(TEXT, min_size=1, max_size=5, unique=True),
    hashes=st.lists(HASH, min_size=5, max_size=5),
    options=st.dictionaries(TEXT, st.one_of(TEXT, st.integers(), st.floats(allow_nan=False, allow_infinity=False))),
)
def test_any_anchors_come_back(ids: list[str], hashes: list[str], options: dict[str, Any], tmp_path: Path) -> None:
    whole = samples.anchors()
    draw = AnchorList(tuple(ids), tuple(hashes[: len(ids)]))
    sides = tuple(replace(whole.sides[0], name=name, draws=(draw, draw)) for name in ("en", "日本語"))
    made = replace(whole, strategy="parallel", sides=sides, options=options)
    samples.assert_same(round_trip(made, tmp_path / "a.json"), made)


@QUICK
@given(texts=st.lists(TEXT))
def test_packed_texts_are_the_plain_cuts_of_one_buffer(texts: list[str]) -> None:
    buffer, offsets = pack_texts(texts)
    slow = [bytes(buffer[start:end]).decode() for start, end in pairwise(offsets)]
    assert slow == texts == unpack_texts(buffer, offsets)


@QUICK
@given(hashes=st.lists(HASH))
def test_packed_hashes_come_back(hashes: list[str]) -> None:
    packed = pack_hashes(hashes)
    assert packed.shape == (len(hashes), 16)
    assert unpack_hashes(packed).tolist() == hashes


LAYOUTS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "transposed": lambda x: x.T.copy().T,
    "fortran": np.asfortranarray,
    "every second row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "columns of a wider array": lambda x: np.hstack([x, x])[:, : x.shape[1]],
    "big-endian": lambda x: x.astype(">f4"),
    "big-endian, transposed": lambda x: x.astype(">f4").T.copy().T,
    "float64": lambda x: x.astype(np.float64),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_are_written_right_whatever_their_layout(layout: str, tmp_path: Path) -> None:
    """safetensors #825: transposed, sliced and Fortran-ordered arrays."""
    plain = samples.embeddings()
    odd = LAYOUTS[layout](plain.vectors)
    np.testing.assert_array_equal(odd, plain.vectors)
    samples.assert_same(round_trip(replace(plain, vectors=odd), tmp_path / "a.safetensors"), plain)
    np.testing.assert_array_equal(load_file(tmp_path / "a.safetensors")["vectors"], plain.vectors)
    decoder = replace(samples.decoder(), arrays={"w": odd, "bits": np.ones((4, 2), dtype=bool).T[:, ::2]})
    samples.assert_same(round_trip(decoder, tmp_path / "a.safetensors"), decoder)


def test_targets_and_counts_of_other_layouts_are_written_right(tmp_path: Path) -> None:
    pictures = np.arange(5 * 4 * 3 * 3, dtype=np.uint8).reshape(3, 3, 4, 5).T
    targets = Targets("image", pictures, np.ones(10, dtype=bool)[::2])
    rows = replace(samples.rows(targets), counts=np.arange(10, dtype=">f8")[::2])
    made = replace(samples.embeddings(), rows=rows)
    samples.assert_same(round_trip(made, tmp_path / "a.safetensors"), made)


def test_a_storable_array_is_not_copied() -> None:
    """Vectors may be larger than memory: the writer is given the array itself."""
    array = samples.matrix(4, 3)
    assert np.shares_memory(tensors.storable(array, "w"), array)
    assert np.shares_memory(tensors.storable(array[1:3], "w"), array)


def test_a_memory_map_is_saved_and_loaded_as_a_view(tmp_path: Path) -> None:
    vectors = np.memmap(tmp_path / "raw", dtype=np.float32, mode="w+", shape=(5, 3))
    vectors[:] = samples.matrix(5, 3)
    storage.save(replace(samples.embeddings(), vectors=vectors), tmp_path / "a.safetensors")
    loaded = storage.load_embeddings(tmp_path / "a.safetensors").vectors
    np.testing.assert_array_equal(loaded, vectors)
    assert not loaded.flags.owndata
    assert not loaded.flags.writeable


def test_half_precision_takes_half_and_comes_back_as_float32(tmp_path: Path) -> None:
    for made in (samples.embeddings(), samples.relative()):
        path = tmp_path / "a.safetensors"
        storage.save(made, path, force=True, dtype="float16")
        samples.assert_same(storage.load(path), made)
        name = "vectors" if isinstance(made, Embeddings) else "values"
        assert load_file(path)[name].dtype == np.float16


def test_half_precision_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    large = replace(samples.embeddings(), vectors=samples.matrix(5, 3) * np.float32(1e6))
    with pytest.raises(ArtifactError) as caught:
        storage.save(large, tmp_path / "a.safetensors", dtype="float16")
    assert str(caught.value) == (
        "These vectors hold values up to 1.75e+06, more than float16 can hold. Store them as float32, or leave out "
        "rows that are not finite."
    )
    assert list(tmp_path.iterdir()) == []


def test_the_header_stays_small_however_many_rows_there_are(tmp_path: Path) -> None:
    """safetensors #668: many rows, many of them skipped: few tensors, small header."""
    sizes = []
    for n in (10, 50_000):
        skipped = tuple(Skipped(f"train/{row}.jpg", "train", f"truncated JPEG {row}") for row in range(n))
        rows = Rows.build([f"train:{row}" for row in range(n)], hashes=[f"{row + 1:032x}" for row in range(n)])
        made = Embeddings(rows, samples.matrix(n, 2), samples.stamp(2), skipped)
        path = tmp_path / f"{n}.safetensors"
        storage.save(made, path)
        length = int.from_bytes(path.read_bytes()[:8], "little")
        sizes.append(length)
        assert len(tensors.read_header(path).tensors) == 10
        loaded = storage.load_embeddings(path)
        assert loaded.skipped[-1] == skipped[-1]
        assert loaded.rows.hashes[-1] == rows.hashes[-1]
    assert sizes[1] < sizes[0] + 200
    assert sizes[1] < 20_000


def test_class_names_may_be_many(tmp_path: Path) -> None:
    names = [f"Klasse {code:06d} ü" for code in range(20_000)]
    rows = Rows.build(map(str, range(20_000)), targets=Targets.from_labels(names))
    made = Embeddings(rows, np.zeros((20_000, 1), np.float32), samples.stamp(1))
    loaded = round_trip(made, tmp_path / "a.safetensors")
    assert isinstance(loaded, Embeddings)
    assert loaded.rows.targets is not None
    assert loaded.rows.targets.names == tuple(names)


def test_names_that_outgrow_the_header_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "MAX_HEADER", 1000)
    with pytest.raises(ArtifactError) as caught:
        storage.save(samples.embeddings(), tmp_path / "a.safetensors")
    size = int(str(caught.value).split("come to ")[1].split()[0])
    assert str(caught.value) == (
        f"{tmp_path / 'a.safetensors'}: the names of classes, targets or splits come to {size} bytes, and at most "
        "500 fit. Check that the label and split columns are the right ones."
    )
    assert list(tmp_path.iterdir()) == []


def test_each_list_of_anchors_stands_once_in_a_decoder_file(tmp_path: Path) -> None:
    storage.save(samples.decoder(), tmp_path / "a.safetensors")
    names = {name for name in load_file(tmp_path / "a.safetensors") if name.startswith(("anchors", "space"))}
    assert names == {
        "anchors.0.ids.bytes", "anchors.0.ids.offsets", "anchors.0.hashes", "space.0.vectors", "space.1.vectors",
    }  # fmt: skip


def test_settings_of_numpy_types_become_plain(tmp_path: Path) -> None:
    odd = {"C": np.float64(0.5), "grid": np.arange(2), "seed": np.int64(1), "file": Path("a/b"), "pair": (1, 2)}
    made = replace(samples.decoder(), settings=odd)
    loaded = round_trip(made, tmp_path / "a.safetensors")
    assert isinstance(loaded, Decoder)
    assert loaded.settings == {"C": 0.5, "grid": [0, 1], "seed": 1, "file": str(Path("a/b")), "pair": [1, 2]}
    anchors = replace(samples.anchors(), options=odd)
    assert storage.load_anchors(_saved(anchors, tmp_path / "a.json")).options == loaded.settings


def _saved(artifact: storage.Artifact, path: Path) -> Path:
    storage.save(artifact, path)
    return path


@pytest.mark.parametrize("value", [float("nan"), object()], ids=["nan", "object"])
def test_what_has_no_form_in_json_is_refused(value: object, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as caught:
        storage.save(replace(samples.decoder(), settings={"C": value}), tmp_path / "a.safetensors")
    reason = "a value of type object" if type(value) is object else caught.value.__cause__
    assert str(caught.value) == f"This cannot be stored as JSON: {reason}. Only plain, finite values can."
    with pytest.raises(ArtifactError):
        storage.save(replace(samples.anchors(), options={"C": value}), tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_text_that_is_not_unicode_is_refused(tmp_path: Path) -> None:
    rows = samples.rows()
    odd = texts_array([*rows.ids[:4], "bad\udcff.jpg"])
    with pytest.raises(ArtifactError) as caught:
        storage.save(replace(samples.embeddings(), rows=replace(rows, ids=odd)), tmp_path / "a.safetensors")
    assert str(caught.value) == (
        "The text 'bad\\udcff.jpg' is not valid Unicode and cannot be stored. Rename the file or give the row "
        "another id."
    )
    with pytest.raises(ArtifactError):
        storage.save(replace(samples.embeddings(), rows=replace(rows, splits=odd)), tmp_path / "a.safetensors")
    with pytest.raises(ArtifactError) as caught:
        storage.save(replace(samples.decoder(), names=("bad\udcff",)), tmp_path / "a.safetensors")
    assert str(caught.value) == "'\\udcff' is no character: text must be valid Unicode to be stored."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["abc", "A" * 32, "0" * 32, "zz" * 16, " " * 32])
def test_what_is_no_content_hash_is_refused(value: str, tmp_path: Path) -> None:
    hashes = ["", value, "ab" * 16]
    with pytest.raises(ArtifactError) as caught:
        pack_hashes(hashes)
    assert str(caught.value) == (
        f"{value!r} is no content hash: expected 32 lower-case hexadecimal digits, not all 0."
    )
    side = replace(samples.anchors().sides[0], draws=(AnchorList(("a", "b", "c"), tuple(hashes)),))
    with pytest.raises(ArtifactError):
        storage.save(replace(samples.anchors(), sides=(side,)), tmp_path / "a.json")


@pytest.mark.parametrize(
    "array", [np.array(["a"]), np.array([1j]), np.array([None])], ids=["text", "complex", "object"]
)
def test_only_plain_numbers_are_stored(array: np.ndarray[Any, Any], tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as caught:
        storage.save(replace(samples.decoder(), arrays={"w": array}), tmp_path / "a.safetensors")
    assert str(caught.value) == (f"The array 'array.w' holds {array.dtype} values; only plain numbers can be stored.")


def test_all_metadata_is_one_json_text_that_begins_with_its_checksum() -> None:
    path = golden("embeddings")
    header = tensors.read_header(path)
    assert list(header.metadata) == ["relstitch"]
    facts = json.loads(header.metadata["relstitch"])
    assert list(facts)[:4] == ["checksum", "kind", "format", "written_by"]
    assert facts["written_by"] == "relstitch 0.1.0"
    assert facts["rows"]["dataset"] == samples.rows().fingerprint


def test_a_checkout_that_is_not_installed_still_writes_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert metadata.writer_name() == "relstitch"


def test_a_large_array_is_checked_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tensors.checksum(samples.matrix(50, 7))
    monkeypatch.setattr(tensors, "_BLOCK", 64)
    assert tensors.checksum(samples.matrix(50, 7)) == whole
    assert tensors.checksum(samples.matrix(50, 7, 1)) != whole

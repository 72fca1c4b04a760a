"""`translate apply`: files of vectors read, carried and written block by block, whatever their kind."""

import io
import json
import re
import shutil
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from storage_samples import assert_same, embeddings, foreign, forge
from typer.testing import CliRunner, Result

from relstitch import storage
from relstitch.artifacts import AnchorList, AnchorVectors, Embeddings, EncoderStamp, Rows, Targets, Translator
from relstitch.artifacts.spaces import Matrix
from relstitch.cli import app
from relstitch.errors import ArtifactError, MismatchError, RelstitchError, UsageError
from relstitch.storage.tensors import TYPES, read_header
from relstitch.storage.vector_streams import Carrier, VectorSource, carry_vectors, open_vectors, source
from relstitch.storage.vector_streams.source import carried_blocks
from relstitch.translation import (
    TranslatorSettings,
    evaluate_translator,
    fit_hub,
    fit_translator,
    hub_translator,
    likeness,
    translate,
    translate_embeddings,
)

N, D, W = 23, 4, 6
RNG = np.random.default_rng(5)
X: Matrix = RNG.normal(size=(N, D)).astype(np.float32)
MAP: Matrix = RNG.normal(size=(D, W)).astype(np.float32)
ONE, OTHER = EncoderStamp("st:one", "text", D), EncoderStamp("st:other", "text", W)
IDS = [f"r{at}" for at in range(N)]


def each_row(rows: Matrix) -> Matrix:
    """The plain oracle: a row at a time, in Python."""
    return np.stack([sum((float(value) * MAP[at] for at, value in enumerate(row)), np.zeros(W)) for row in rows])


MOVE = Carrier(lambda rows: rows @ MAP, OTHER)


def kept(width: int, carry: Callable[[Matrix], Matrix]) -> Carrier:
    """A map that leaves the width as it is."""
    return Carrier(carry, EncoderStamp("st:same", "text", width))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four rows at a time, so that small files have several blocks and a shorter last one."""
    monkeypatch.setattr(source, "_ROWS_AT_ONCE", 4)


def npy(path: Path, values: Any = X, name: str = "x.npy") -> Path:
    np.save(path / name, values)
    return path / name


def npz(path: Path, compressed: bool = False, **arrays: Any) -> Path:
    (np.savez_compressed if compressed else np.savez)(path / "x.npz", **(arrays or {"x": X}))
    return path / "x.npz"


def parquet(path: Path, values: Any = X, kind: Any = None, **columns: Any) -> Path:
    vectors = pa.array(list(values), type=kind or pa.list_(pa.float32()))
    table = pa.table({"id": IDS, "v": vectors, **columns} if "id" not in columns else {**columns, "v": vectors})
    pq.write_table(table, path / "x.parquet", row_group_size=9, compression="zstd")
    return path / "x.parquet"


def ours(path: Path, dtype: Any = "float32") -> Path:
    labels = Targets.from_labels([None if at == 3 else "ab"[at % 2] for at in range(N)])
    rows = Rows.build(IDS, splits=["train", "test"] * 11 + ["train"], targets=labels)
    storage.save(Embeddings(rows, X, ONE, counts={"truncated": 2}), path / "x.safetensors", dtype=dtype)
    return path / "x.safetensors"


def column(path: Path) -> Any:
    return np.stack(pq.read_table(path)["v"].to_numpy())


# ------------------------------------------------------------------------------------------------ what comes out


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", "<f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(tmp_path: Path, dtype: str, order: Any) -> None:
    stored = np.asarray(X.astype(dtype), order=order)
    made = carry_vectors(open_vectors(npy(tmp_path, stored)), tmp_path / "y.npy", MOVE)
    found = np.load(tmp_path / "y.npy")
    assert (found.dtype, found.flags.c_contiguous, made.rows, made.width) == (np.float32, True, N, W)
    np.testing.assert_allclose(found, each_row(stored.astype(np.float32)), atol=1e-5)


@pytest.mark.parametrize("compressed", [False, True])
def test_npz_keeps_every_other_array(tmp_path: Path, compressed: bool) -> None:
    pickled = np.array([{"a": 1}, None], dtype=object)
    labels, edges = np.array(["ü", "b"]), np.arange(6).reshape(2, 3)
    path = npz(tmp_path, compressed, labels=labels, x=X.astype(np.float64), edges=edges, pickled=pickled)
    made = carry_vectors(open_vectors(path), tmp_path / "y.npz", MOVE)
    assert made.beside == ("labels", "edges", "pickled")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "y.npz") as new:
        assert old.namelist() == new.namelist()
        for name in ("labels.npy", "edges.npy", "pickled.npy"):
            assert old.read(name) == new.read(name)
            assert old.getinfo(name).compress_type == new.getinfo(name).compress_type
    with np.load(tmp_path / "y.npz") as found:
        np.testing.assert_allclose(found["x"], each_row(X), atol=1e-5)
        assert found["x"].dtype == np.float32


def test_npz_takes_the_array_that_is_named(tmp_path: Path) -> None:
    path = npz(tmp_path, train=X, test=X[:5])
    carry_vectors(open_vectors(path, array="test"), tmp_path / "y.npz", MOVE)
    with np.load(tmp_path / "y.npz") as found:
        assert found["train"].tolist() == X.tolist()
        np.testing.assert_allclose(found["test"], each_row(X[:5]), atol=1e-5)


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.float32()), pa.list_(pa.float64(), D), pa.large_list(pa.float16()), pa.list_(pa.float32(), D)],
    ids=str,
)
def test_parquet_keeps_every_other_column(tmp_path: Path, kind: Any) -> None:
    colours = pa.array(["red", None, "blue"] * 7 + ["red", "red"]).dictionary_encode()
    values = X.astype(kind.value_type.to_pandas_dtype())
    path = parquet(tmp_path, values, kind, colour=colours, nested=[{"a": [at]} for at in range(N)])
    made = carry_vectors(open_vectors(path), tmp_path / "y.parquet", MOVE)
    assert made.beside == ("id", "colour", "nested")
    found = pq.read_table(tmp_path / "y.parquet")
    assert found.drop(["v"]).equals(pq.read_table(path).drop(["v"]))
    assert found.column_names == ["id", "v", "colour", "nested"]
    carried = found.schema.field("v").type
    assert (type(carried), carried.value_type) == (type(kind), pa.float32())
    assert pq.ParquetFile(tmp_path / "y.parquet").metadata.row_group(0).column(0).compression == "ZSTD"
    np.testing.assert_allclose(column(tmp_path / "y.parquet"), each_row(values.astype(np.float32)), atol=1e-5)


def test_parquet_drops_only_a_description_that_has_become_wrong(tmp_path: Path) -> None:
    facts = {b"huggingface": b"{}", b"own": b"kept"}
    for kind, kept in ((pa.list_(pa.float32(), D), {b"own": b"kept"}), (pa.list_(pa.float32()), facts)):
        table = pa.table({"v": pa.array(list(X), type=kind.value_type and kind)}).replace_schema_metadata(facts)
        field = pa.field("v", pa.list_(pa.field("element", pa.float32()), getattr(kind, "list_size", -1)))
        table = table.cast(pa.schema([field], metadata=facts))
        pq.write_table(table, tmp_path / "x.parquet")
        carry_vectors(open_vectors(tmp_path / "x.parquet"), tmp_path / "y.parquet", MOVE, force=True)
        assert pq.read_schema(tmp_path / "y.parquet").metadata == kept


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_an_embeddings_file_keeps_its_rows(tmp_path: Path, dtype: str) -> None:
    path = ours(tmp_path, dtype)
    before = storage.load_embeddings(path)
    made = carry_vectors(open_vectors(path), tmp_path / "y.safetensors", MOVE)
    after = storage.load_embeddings(tmp_path / "y.safetensors")
    assert (made.kind, made.rows, made.width) == ("embeddings", N, W)
    assert_same(after.rows, before.rows)
    assert (after.encoder, after.counts, after.skipped) == (OTHER, before.counts, before.skipped)
    np.testing.assert_allclose(after.vectors, each_row(before.vectors), atol=1e-5)
    assert not storage.inspect(tmp_path / "y.safetensors").problems
    # Whoever maps the file may demand that a tensor begins where its type does.
    for info in read_header(tmp_path / "y.safetensors").tensors.values():
        assert info.start % np.dtype(TYPES[info.dtype]).itemsize == 0


def test_every_sort_of_row_survives(tmp_path: Path) -> None:
    """Hashes, skipped rows, counts, ids beyond ASCII: as the same artifact saved in one piece."""
    made = embeddings()
    storage.save(made, tmp_path / "x.safetensors")
    double = Carrier(lambda rows: 2 * rows, made.encoder)
    carry_vectors(open_vectors(tmp_path / "x.safetensors"), tmp_path / "y.safetensors", double)
    expected = Embeddings(made.rows, 2 * made.vectors, made.encoder, made.skipped, made.counts)
    assert_same(storage.load_embeddings(tmp_path / "y.safetensors"), expected)


@pytest.mark.parametrize("make", [npy, npz, parquet, ours])
def test_any_kind_becomes_npy(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    made = carry_vectors(open_vectors(make(tmp_path)), tmp_path / "only.npy", MOVE)
    assert (made.kind, made.beside) == ("npy", ())
    np.testing.assert_allclose(np.load(tmp_path / "only.npy"), each_row(X), atol=1e-5)


@pytest.mark.parametrize(
    ("make", "options", "ids"),
    [
        (npy, {}, [f"all:{at}" for at in range(N)]),
        (parquet, {}, IDS),
        (lambda path: parquet(path, number=list(range(N))), {"id_": "number"}, [str(at) for at in range(N)]),
    ],
)
def test_bare_vectors_become_an_embeddings_file(tmp_path: Path, make: Any, options: Any, ids: list[str]) -> None:
    carry_vectors(open_vectors(make(tmp_path), **options), tmp_path / "y.safetensors", MOVE)
    found = storage.load_embeddings(tmp_path / "y.safetensors")
    expected = Embeddings(Rows.build(ids), (X @ MAP).astype(np.float32), OTHER)
    assert_same((found.rows, found.encoder, found.counts), (expected.rows, OTHER, {}))
    np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 40), width=st.integers(1, 5), step=st.integers(1, 17))
def test_blocks_of_any_size_give_the_same(tmp_path_factory: Any, n: int, width: int, step: int) -> None:
    folder = tmp_path_factory.mktemp("blocks")
    values = np.random.default_rng(n).normal(size=(n, width)).astype(np.float32)
    path = npy(folder, values)
    turn = kept(width, lambda rows: rows[:, ::-1] * 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "_ROWS_AT_ONCE", step)
        carry_vectors(open_vectors(path), folder / "y.npy", turn)
    assert np.load(folder / "y.npy").tolist() == (values[:, ::-1] * 2).tolist()


def test_a_map_that_looks_at_several_rows_would_be_noticed(tmp_path: Path) -> None:
    """The control for the test above: blocks matter to what is not done to each row by itself."""
    centre = Carrier(lambda rows: rows - rows.mean(axis=0), ONE)
    carry_vectors(open_vectors(npy(tmp_path)), tmp_path / "y.npy", centre)
    assert not np.allclose(np.load(tmp_path / "y.npy"), X - X.mean(axis=0), atol=0.1)


@pytest.mark.parametrize("kind", ["npy", "npz", "safetensors"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parquet keeps its memory where tracemalloc does not see it: tests/benchmarks/apply_memory.py shows it."""
    monkeypatch.setattr(source, "_ROWS_AT_ONCE", 512)
    path = npy(tmp_path, np.ones((40_000, 64), dtype=np.float32))
    if kind == "npz":
        path = npz(tmp_path, x=np.load(path))
    if kind == "safetensors":
        path = tmp_path / "x.safetensors"
        carry_vectors(open_vectors(npy(tmp_path, np.ones((40_000, 64)))), path, kept(64, lambda rows: rows))
    tracemalloc.start()
    try:
        carry_vectors(open_vectors(path), tmp_path / f"y.{kind}", kept(64, lambda rows: 2 * rows))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40_000 * 64 * 4 / 2


def test_progress_counts_every_row(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    told = Carrier(MOVE.carry, OTHER, lambda done, total: seen.append((done, total)))
    carry_vectors(open_vectors(parquet(tmp_path)), tmp_path / "y.parquet", told)
    assert seen[-1] == (N, N)
    assert seen == sorted(seen)


# --------------------------------------------------------------------------------------------------- what is refused


def refused(error: type[RelstitchError], run: Callable[[], Any]) -> str:
    with pytest.raises(error) as caught:
        run()
    return str(caught.value)


def carried(path: Path, out: Path, **options: Any) -> Callable[[], Any]:
    return lambda: carry_vectors(open_vectors(path, **options), out, MOVE)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.zeros(3, np.float32), "float32 [3]"),
        (np.zeros((2, 3, 4), np.float32), "float32 [2, 3, 4]"),
        (np.zeros((0, 4), np.float32), "float32 [0, 4]"),
        (np.zeros((4, 0), np.float32), "float32 [4, 0]"),
        (np.zeros((3, 4), np.int64), "int64 [3, 4]"),
        (np.zeros((3, 4), np.complex64), "complex64 [3, 4]"),
        (np.zeros((3, 4), np.longdouble), "float128 [3, 4]"),
    ],
)
def test_what_is_no_matrix_of_vectors(tmp_path: Path, values: Any, found: str) -> None:
    path = npy(tmp_path, values)
    assert refused(ArtifactError, lambda: open_vectors(path)) == (
        f"{path}: its array is {found}; expected vectors [n, d] of float16, float32 or float64, one per row and at "
        "least one row."
    )


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    path = npy(tmp_path, np.array([[1, "a"]], dtype=object))
    expected = (
        f"{path}: its array holds Python objects (a pickle), which are never loaded; expected plain floats. Write it "
        "again with numpy as a float32 array."
    )
    assert refused(ArtifactError, lambda: open_vectors(path)) == expected
    archive = npz(tmp_path, x=np.array([[1, "a"]], dtype=object), y=X)
    text = refused(ArtifactError, lambda: open_vectors(archive, array="x"))
    assert text == expected.replace(str(path), str(archive)).replace("its array", "its array 'x'")


def test_cut_short_and_wrong_headers(tmp_path: Path) -> None:
    path = npy(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    assert refused(ArtifactError, lambda: open_vectors(path)) == (
        f"{path} is damaged: its array should hold {N * D * 4} bytes of values, and {N * D * 4 - 10} are there. "
        "Write or copy it again."
    )
    # More than one array in a file: the others would be lost without a word.
    path.write_bytes(whole * 2)
    assert refused(ArtifactError, lambda: open_vectors(path)) == (
        f"{path} is damaged: its array should hold {N * D * 4} bytes of values, and {N * D * 4 + len(whole)} are there. "
        "Write or copy it again."
    )
    for wrong in (whole[:20], b"\x93NUMPY\x09\x00" + whole[8:], whole.replace(b"descr", b"'+'((")):
        path.write_bytes(wrong)
        assert refused(ArtifactError, lambda: open_vectors(path)) == (
            f"{path} is damaged: its array does not begin as a NumPy array of numbers does. Write or copy it again."
        )


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = npy(tmp_path)
    opened = open_vectors(path)
    path.write_bytes(path.read_bytes()[:-8])
    text = refused(ArtifactError, lambda: carry_vectors(opened, tmp_path / "y.npy", MOVE))
    assert text == (
        f"{path} is damaged: its array should hold {N * D * 4} bytes of values, and {N * D * 4 - 8} are there. "
        "Write or copy it again."
    )
    assert not (tmp_path / "y.npy").exists()
    wrong = VectorSource(path, "npy", "", N, D, lambda: iter([X[:5]]), source.by_number)
    assert refused(ArtifactError, lambda: list(carried_blocks(wrong, MOVE))) == (
        f"{path} is damaged: it says that it has {N} rows, and 5 are there. Write or copy it again."
    )


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (npy, "row 6"),
        (lambda path, values: npz(path, x=values), "row 6"),
        (lambda path, values: parquet(path, values, pa.list_(pa.float64())), "id r6"),
    ],
)
@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e300])
def test_values_that_are_not_finite(tmp_path: Path, make: Any, name: str, value: float) -> None:
    values = X.astype(np.float64)
    values[[6, 20], 1] = value
    path = make(tmp_path, values)
    out = tmp_path / f"y{path.suffix}"
    out.write_bytes(b"kept")
    run = lambda: carry_vectors(open_vectors(path), out, MOVE, force=True)  # noqa: E731
    assert refused(ArtifactError, run) == (
        f"{path} holds vectors with values that are NaN, infinite or too large for float32; the first are those of "
        f"{name}. Leave these rows out, or make them again."
    )
    assert out.read_bytes() == b"kept"
    assert sorted(item.name for item in tmp_path.iterdir()) == sorted([path.name, out.name])


def test_several_bad_rows_of_a_block_are_named_together(tmp_path: Path) -> None:
    path = ours(tmp_path)

    def spoil(tensors: dict[str, Any], facts: dict[str, Any]) -> None:
        tensors["vectors"] = np.array(tensors["vectors"])
        tensors["vectors"][[4, 6]] = np.nan

    bad = forge(path, tmp_path / "bad.safetensors", spoil)
    assert refused(ArtifactError, carried(bad, tmp_path / "y.safetensors")) == (
        f"{bad} holds vectors with values that are NaN, infinite or too large for float32; the first are those of "
        "id r4, id r6. Leave these rows out, or make them again."
    )


def test_results_too_large_for_float32(tmp_path: Path) -> None:
    path = npy(tmp_path, np.full((6, D), 1e38, dtype=np.float32))
    large = Carrier(lambda rows: rows * 10, ONE)
    run = lambda: carry_vectors(open_vectors(path), tmp_path / "y.npy", large)  # noqa: E731
    assert refused(ArtifactError, run) == (
        f"{path}: carried to the other space, row 0 would hold values too large for float32. Such vectors are far "
        "from all anchors: check that they come from the translator's encoder."
    )


def test_archives_that_do_not_say_what_is_meant(tmp_path: Path) -> None:
    path = npz(tmp_path, train=X, test=X[:5], labels=np.arange(3))
    found = "train float32 [23, 4], test float32 [5, 4], labels int64 [3]"
    assert refused(UsageError, lambda: open_vectors(path)) == (
        f"{path} holds 2 matrices of floats, and one is to be carried: name it with --array. It holds: {found}."
    )
    assert refused(UsageError, lambda: open_vectors(path, array="val")) == (
        f"{path} has no array 'val' (--array); it holds: {found}."
    )
    path = npz(tmp_path, x=np.arange(3), y=np.array([None]))
    assert refused(UsageError, lambda: open_vectors(path)) == (
        f"{path} holds 0 matrices of floats, and one is to be carried: name it with --array. It holds: x int64 [3], "
        "y (no array of numbers)."
    )


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_array_stored_by_column_in_an_archive(
    save: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_ROWS_AT_ONCE", 5)
    save(tmp_path / "by_column.npz", x=np.asfortranarray(X), y=np.arange(3))
    found = open_vectors(tmp_path / "by_column.npz")
    blocks = list(found.blocks())
    assert [len(block) for block in blocks] == [5, 5, 5, 5, 3]
    np.testing.assert_array_equal(np.concatenate(blocks), X)
    carry_vectors(found, tmp_path / "out.npz", MOVE)
    with np.load(tmp_path / "out.npz") as out:
        np.testing.assert_allclose(out["x"], each_row(X), rtol=1e-5)
        np.testing.assert_array_equal(out["y"], np.arange(3))


def test_an_array_stored_by_column_for_which_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = npz(tmp_path, x=np.asfortranarray(X))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: shutil._ntuple_diskusage(100, 90, 10))
    assert refused(ArtifactError, lambda: list(open_vectors(path).blocks())) == (
        f"{path}: its array 'x' is stored column by column (Fortran order), and to gather its rows {X.nbytes} bytes "
        f"are needed in {tmp_path}, which has 10 free. Set TMPDIR to a folder with room, or write the array again "
        "through numpy.ascontiguousarray."
    )


def test_damaged_archives(tmp_path: Path) -> None:
    path = npz(tmp_path, x=X, y=np.arange(9))
    whole = path.read_bytes()
    for at, name in ((whole.index(X.tobytes()) + 40, "x"), (whole.index(np.arange(9).tobytes()), "y")):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert refused(ArtifactError, carried(path, tmp_path / "y.npz")) == (
            f"{path} cannot be read as a NumPy archive (Bad CRC-32 for file '{name}.npy'). Write or copy it again."
        )
        assert not (tmp_path / "y.npz").exists()
    path.write_bytes(whole[:100])
    assert refused(ArtifactError, lambda: open_vectors(path)) == (
        f"{path} cannot be read as a NumPy archive (File is not a zip file). Write or copy it again."
    )


def test_an_array_that_claims_more_than_it_holds(tmp_path: Path) -> None:
    """What a bomb does: a header that announces terabytes; nothing of that size is ever asked for."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (10**12, 384)})
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", stream.getvalue() + bytes(2**20))
    assert refused(ArtifactError, lambda: open_vectors(path)) == (
        f"{path} is damaged: its array 'x' should hold {10**12 * 384 * 4} bytes of values, and {2**20} are there. "
        "Write or copy it again."
    )


def test_what_is_copied_from_an_archive_is_never_whole_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=X, zeros=np.zeros(2**25, dtype=np.uint8))
    tracemalloc.start()
    try:
        carry_vectors(open_vectors(path), tmp_path / "y.npz", MOVE)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**23
    assert (tmp_path / "y.npz").stat().st_size < 2**20


def test_tables_that_do_not_say_what_is_meant(tmp_path: Path) -> None:
    path = parquet(tmp_path, w=list(X))
    listed = "id (string), v (list<element: float>), w (list<element: float>)"
    assert refused(UsageError, lambda: open_vectors(path)) == (
        f"{path} has 2 columns of float lists, and one is to be carried: name it with --vectors. Its columns: "
        f"{listed}."
    )
    for name in ("id", "nothing"):
        assert refused(UsageError, partial(open_vectors, path, vectors=name)) == (
            f"{path} has not exactly one column {name!r} of float lists (--vectors). Its columns: {listed}."
        )
    assert refused(UsageError, lambda: open_vectors(path, vectors="v", id_="key")) == (
        f"{path} has not exactly one column 'key' (--id). Its columns: id, v, w."
    )
    assert open_vectors(path, vectors="w").place == "w"


def test_vectors_missing_in_a_table(tmp_path: Path) -> None:
    rows: list[Any] = X.tolist()
    rows[2], rows[3] = None, [*rows[3][:2], None, 1.0]
    rows[9] = rows[9][:3]
    path = parquet(tmp_path, rows)
    expected = (
        f"{path}: its column 'v' holds no whole vector of width 4 in every row; the first without one: id r2. Leave "
        "these rows out, or make them again."
    )
    assert refused(ArtifactError, carried(path, tmp_path / "y.parquet")) == expected
    rows[2] = rows[0]
    parquet(tmp_path, rows)
    assert refused(ArtifactError, carried(path, tmp_path / "y.parquet")) == expected.replace("r2", "r3")
    rows[3] = rows[0]
    parquet(tmp_path, rows)
    assert refused(ArtifactError, carried(path, tmp_path / "y.parquet")) == expected.replace("r2", "r9")


def test_tables_without_rows_or_without_any_vector(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    for rows in (0, 3):
        pq.write_table(pa.table({"v": pa.array([None] * rows, type=pa.list_(pa.float32()))}), path)
        assert refused(ArtifactError, lambda: open_vectors(path)) == (
            f"{path}: its column 'v' is float32 [{rows}, 0]; expected vectors [n, d] of float16, float32 or float64, "
            "one per row and at least one row."
        )


def test_damaged_tables(tmp_path: Path) -> None:
    path = parquet(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    expected = f"{path} is a damaged or truncated Parquet file. Write or copy it again."
    assert refused(ArtifactError, lambda: open_vectors(path)) == expected
    path.write_bytes(whole)
    opened = open_vectors(path)
    path.write_bytes(whole[:300] + bytes(len(whole) - 900) + whole[-600:])
    assert refused(ArtifactError, lambda: carry_vectors(opened, tmp_path / "y.parquet", MOVE)) == expected


def test_ids_that_make_no_embeddings_file(tmp_path: Path) -> None:
    path = parquet(tmp_path, key=["a", None, *IDS[2:]], twice=["a", "a", *IDS[2:]])
    out = tmp_path / "y.safetensors"
    assert refused(ArtifactError, carried(path, out, id_="key")) == (
        f"{path}: its column 'key' has no id in row 1; expected one per row. Fill them in, or name another column with "
        "--id."
    )
    assert refused(ArtifactError, carried(path, out, id_="twice")) == (
        f"{path}: 1 id stands more than once: a. Ids must be unique: choose another id column, or leave it out to "
        "number the rows."
    )
    assert not out.exists()


def test_options_of_other_kinds(tmp_path: Path) -> None:
    path, archive, table = npy(tmp_path), npz(tmp_path), parquet(tmp_path)
    assert refused(UsageError, lambda: open_vectors(path, vectors="v")) == (
        f"{path} is a NumPy array file (.npy) and has no columns; --vectors and --id are for Parquet."
    )
    assert refused(UsageError, lambda: open_vectors(archive, id_="v")) == (
        f"{archive} is a NumPy archive (.npz) and has no columns; --vectors and --id are for Parquet."
    )
    assert refused(UsageError, lambda: open_vectors(table, array="v")) == (
        f"{table} is a Parquet table; --array is for NumPy archives (.npz)."
    )


def test_files_that_hold_no_vectors(tmp_path: Path) -> None:
    text = tmp_path / "x.csv"
    text.write_text("id,text\n1,who\n")
    assert refused(ArtifactError, lambda: open_vectors(text)) == (
        f"{text} is a text table (CSV or TSV); vectors were expected: an embeddings file, .npy, .npz or Parquet. "
        "Texts and pictures go through `relstitch encode` first."
    )
    assert refused(ArtifactError, lambda: open_vectors(tmp_path / "none.npy")) == (
        f"{tmp_path / 'none.npy'}: there is no such file."
    )


def test_outputs_that_cannot_be_made(tmp_path: Path) -> None:
    archive, file = npz(tmp_path), ours(tmp_path)
    assert refused(UsageError, carried(archive, tmp_path / "y.safetensors")) == (
        f"{archive} is a NumPy archive (.npz); its vectors can be written to a name in .npz or .npy, and "
        f"{tmp_path / 'y.safetensors'} was asked for."
    )
    assert refused(UsageError, carried(file, tmp_path / "y.parquet")) == (
        f"{file} is an embeddings file; its vectors can be written to a name in .safetensors or .npy, and "
        f"{tmp_path / 'y.parquet'} was asked for."
    )
    assert refused(UsageError, carried(archive, archive)) == (
        f"{archive} is also an input ({archive}). An input is never overwritten: name another output."
    )
    (tmp_path / "y.npy").write_bytes(b"")
    assert refused(UsageError, carried(archive, tmp_path / "y.npy")) == (
        f"{tmp_path / 'y.npy'} exists already. Name another output, or replace it with --force."
    )


def test_a_map_and_a_stamp_that_do_not_belong_together(tmp_path: Path) -> None:
    path = npy(tmp_path)
    wrong = Carrier(MOVE.carry, ONE)
    assert refused(MismatchError, lambda: carry_vectors(open_vectors(path), tmp_path / "y.npy", wrong)) == (
        f"The vectors of {path} are 6 wide when they are carried; the stamp of the space they go to (st:one) says 4. "
        "Map and stamp must belong together."
    )


def test_a_disk_that_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = npy(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 9))
    assert refused(ArtifactError, carried(path, tmp_path / "y.npy")) == (
        f"{tmp_path / 'y.npy'} needs {4 * N * W} bytes for {N} vectors of width {W}, and its disk has 9 free. Make "
        "room, or put the output elsewhere."
    )


def test_embeddings_files_are_checked_as_they_are_read(tmp_path: Path) -> None:
    path = ours(tmp_path)
    whole = path.read_bytes()
    at = whole.index(X.tobytes()) + 8
    out = tmp_path / "y.safetensors"
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    assert refused(ArtifactError, carried(path, out)) == (
        f"{path} is damaged: checksums that do not fit, in the tensors vectors. Make it again, or copy it again whole."
    )
    at = whole.index("".join(IDS).encode())
    path.write_bytes(whole[:at] + b"R" + whole[at + 1 :])
    assert refused(ArtifactError, carried(path, out)) == (
        f"{path} is damaged: checksums that do not fit, in the tensors ids.bytes. Make it again, or copy it again "
        "whole."
    )
    path.write_bytes(whole[:-1])
    assert refused(ArtifactError, carried(path, out)).startswith(
        f"{path} is damaged: its safetensors header does not fit the file ("
    )
    assert not out.exists()


def test_embeddings_files_that_contradict_themselves(tmp_path: Path) -> None:
    path = ours(tmp_path)

    def narrow(tensors: dict[str, Any], facts: dict[str, Any]) -> None:
        tensors["vectors"] = tensors["vectors"][:, :2]

    def lost(tensors: dict[str, Any], facts: dict[str, Any]) -> None:
        del tensors["vectors"]

    for change, found in ((narrow, f"F32 [{N}, 2]"), (lost, "missing")):
        bad = forge(path, tmp_path / "bad.safetensors", change)
        assert refused(ArtifactError, partial(open_vectors, bad)) == (
            f"{bad} is damaged: its tensor 'vectors' is {found}; expected F32 or F16 [{N}, {D}]. Make it again, or "
            "copy it again whole."
        )
    text = bad.read_bytes()
    bad.write_bytes(text.replace(b'"splits":{"dtype"', b'"spLits":{"dtype"'))
    assert refused(ArtifactError, lambda: open_vectors(bad)) == (
        f"{bad} is damaged: tensors that are missing or do not belong: spLits, splits. Make it again, or copy it "
        "again whole."
    )


def test_safetensors_files_of_another_kind(tmp_path: Path) -> None:
    bare = foreign(tmp_path / "bare.safetensors", {"vectors": X})
    way = "`relstitch encode SOURCE -m MODEL -o FILE` makes one."
    assert refused(ArtifactError, lambda: open_vectors(bare)) == (
        f"{bare} is a safetensors file that relstitch did not write (its tensors: vectors); an embeddings file was "
        f"expected. {way}"
    )
    storage.save(translator(), tmp_path / "t.safetensors")
    assert refused(ArtifactError, lambda: open_vectors(tmp_path / "t.safetensors")) == (
        f"{tmp_path / 't.safetensors'} is a translator file; an embeddings file was expected. {way}"
    )


def test_what_comes_back_changed_from_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ours(tmp_path)
    opened, plain = open_vectors(path), zlib.crc32
    calls = iter(range(10**6))
    monkeypatch.setattr(zlib, "crc32", lambda data, value=0: plain(data, value) ^ (next(calls) == 40))
    text = refused(ArtifactError, lambda: carry_vectors(opened, tmp_path / "y.safetensors", MOVE))
    assert re.fullmatch(
        re.escape(f"{tmp_path / 'y.safetensors'} was written, but ") + r"\S+"
        + re.escape(" came back changed from the disk, so the file was removed. Check the disk and the memory of "
                    "this machine."),
        text,
    )  # fmt: skip
    assert not (tmp_path / "y.safetensors").exists()


# ------------------------------------------------------------------------------------------------------ the verb


def anchors_of(values: Matrix) -> AnchorVectors:
    return AnchorVectors(AnchorList(tuple(IDS), ("",) * N), values)


def translator(method: str = "ridge") -> Translator:
    params = {"penalty": 0.1} if method == "ridge" else {}
    return fit_translator(anchors_of(X), anchors_of(X @ MAP), (ONE, OTHER), TranslatorSettings(method, params))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    storage.save(translator(), "one-sided.safetensors")
    storage.save(translator("smoothing"), "two-sided.safetensors")
    return tmp_path


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["translate", "apply", *map(str, arguments)])


@pytest.mark.parametrize("make", [npy, npz, parquet])
def test_the_verb_on_bare_vectors(folder: Path, make: Callable[[Path], Path]) -> None:
    name = make(folder).name
    result = run("one-sided.safetensors", name, "-o", f"y{Path(name).suffix}", "--json")
    assert result.exit_code == 0
    copied = ["id"] if make is parquet else []
    assert json.loads(result.stdout) == {
        "output": f"y{Path(name).suffix}", "kind": Path(name).suffix[1:], "rows": N, "dimension": W, "side": "source",
        "from": "st:one", "to": "st:other", "method": "ridge", "copied": copied,
    }  # fmt: skip
    assert result.stderr == (
        f"{name} does not say which encoder made it: its rows were taken for those of st:one, the translator's "
        "source.\n"
    )
    found = open_vectors(f"y{Path(name).suffix}")
    np.testing.assert_allclose(np.concatenate(list(found.blocks())), translate(translator(), X), atol=1e-5)


def test_the_verb_notices_rows_of_another_encoder_of_the_same_width(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Y = (np.random.default_rng(0).normal(size=(160, 40)) * 0.8 ** np.arange(40)).astype(np.float32)
    anchors = AnchorVectors(AnchorList(tuple(map(str, range(100))), ("",) * 100), Y[:100])
    ends = (EncoderStamp("st:one", "text", 40), EncoderStamp("st:other", "text", 40))
    storage.save(fit_translator(anchors, anchors, ends, TranslatorSettings("affine")), "t.safetensors")
    np.save("own.npy", Y[100:])
    np.save("foreign.npy", Y[100:, ::-1])
    assert "do not look" not in run("t.safetensors", "own.npy", "-o", "a.npy").stderr
    mean = Y[:100].mean(axis=0)

    def median(rows: Matrix, others: Matrix) -> float:
        near = [
            max(float((x - mean) @ (a - mean) / np.linalg.norm(x - mean) / np.linalg.norm(a - mean))
                for a in others if not np.array_equal(a, x))
            for x in rows
        ]  # fmt: skip
        return float(np.median(near))

    found, own = median(Y[100:, ::-1], Y[:100]), median(Y[:100], Y[:100])
    result = run("t.safetensors", "foreign.npy", "-o", "b.npy")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[1] == (
        f"The rows of foreign.npy do not look like rows of st:one: the cosine to their nearest anchor is {found:.2f} "
        f"(median), that of the anchors among themselves {own:.2f}. Check that this very encoder made them, with the "
        "same prompt and settings."
    )
    translator = storage.load_translator("t.safetensors")
    assert likeness(translator, Y[100:105]) is None  # too few to tell
    ready = Embeddings(Rows.build(map(str, range(100, 160))), Y[100:, ::-1], EncoderStamp("vectors:x", "vectors", 40))
    target = Embeddings(ready.rows, Y[100:], ends[1])
    assert any("do not look like rows of st:one" in n for n in evaluate_translator(translator, ready, target).notes)


def test_the_verb_says_what_the_library_says(folder: Path) -> None:
    ours(folder)
    result = run("one-sided.safetensors", "x.safetensors", "-o", "y.safetensors")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        f"output\ty.safetensors\nkind\tembeddings\nrows\t{N}\ndimension\t{W}\nside\tsource\nfrom\tst:one\n"
        "to\tst:other\nmethod\tridge\nother columns or arrays copied\tnone\n"
    )
    expected = translate_embeddings(translator(), storage.load_embeddings("x.safetensors"))
    found = storage.load_embeddings("y.safetensors")
    assert found.encoder == expected.encoder
    assert_same(found.rows, expected.rows)
    np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-5)


def test_both_sides_of_a_two_sided_translator_meet(folder: Path) -> None:
    ours(folder)
    npy(folder, X @ MAP, "target.npy")
    assert run("two-sided.safetensors", "x.safetensors", "-o", "a.safetensors").exit_code == 0
    assert run("two-sided.safetensors", "target.npy", "--side", "target", "-o", "b.safetensors").exit_code == 0
    one, other = storage.load_embeddings("a.safetensors"), storage.load_embeddings("b.safetensors")
    assert one.encoder.identity == other.encoder.identity
    np.testing.assert_allclose(other.vectors, translate(translator("smoothing"), X @ MAP, side="target"), atol=1e-5)


def test_a_hub_is_a_translator_of_any_two(folder: Path) -> None:
    made = fit_hub([anchors_of(X), anchors_of(X @ MAP)], [ONE, OTHER])
    storage.save(made, "hub.safetensors")
    npy(folder, X @ MAP)
    assert run("hub.safetensors", "x.npy", "--from", "st:other", "--to", "one", "-o", "y.npy").exit_code == 0
    np.testing.assert_allclose(np.load("y.npy"), translate(hub_translator(made, OTHER, ONE), X @ MAP), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["one-sided.safetensors", "narrow.npy", "-o", "y.npy"],
            "narrow.npy holds vectors of width 3; the translator's source (st:one) is 4 wide. Encode the rows with "
            "that encoder, or name the other side with --side.",
        ),
        (
            ["one-sided.safetensors", "wide.npy", "--side", "target", "-o", "y.npy"],
            "These rows are of st:other, the target of a ridge translator, which leaves the target's rows as they "
            "are: use them without translating.",
        ),
        (
            ["one-sided.safetensors", "x.npy", "-o", "one-sided.safetensors", "--force"],
            "one-sided.safetensors is also an input (one-sided.safetensors). An input is never overwritten: name "
            "another output.",
        ),
    ],
)
def test_the_verb_refuses(folder: Path, arguments: list[str], text: str) -> None:
    for name, values in (("x.npy", X), ("narrow.npy", X[:, :3]), ("wide.npy", X @ MAP)):
        npy(folder, values, name)
    result = run(*arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {text}\n")
    assert not (folder / "y.npy").exists()

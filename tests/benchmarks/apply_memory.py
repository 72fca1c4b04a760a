"""Peak memory of ``relstitch translate apply`` on a large file, beside loading it whole with numpy.

Run it with: python tests/benchmarks/apply_memory.py [--rows 1000000] [--width 384] [--kinds npy npz parquet safetensors]

Files of the given size are made in a temporary folder, a block at a time, and removed. Every figure is the largest
resident set of a process of its own, as the operating system counted it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from relstitch import storage
from relstitch.artifacts import AnchorList, AnchorVectors, EncoderStamp
from relstitch.storage.vector_streams import Carrier, carry_vectors, open_vectors
from relstitch.translation import TranslatorSettings, fit_translator

BLOCK = 50_000
WHOLE = (
    "import sys, numpy as np\n"
    "from relstitch.storage import load_translator\n"
    "from relstitch.translation import translate\n"
    "np.save(sys.argv[3], translate(load_translator(sys.argv[1]), np.load(sys.argv[2])))\n"
)
NOTHING = "import numpy, relstitch.storage, relstitch.translation\n"


def stamp(name: str, width: int) -> EncoderStamp:
    return EncoderStamp(f"st:{name}", "text", width)


def make_translator(folder: Path, width: int) -> Path:
    """A Procrustes translator between two spaces of one width."""
    rng = np.random.default_rng(0)
    anchors = AnchorList(tuple(map(str, range(width))), ("",) * width)
    sides = [AnchorVectors(anchors, rng.normal(size=(width, width)).astype(np.float32)) for _ in range(2)]
    encoders = (stamp("one", width), stamp("other", width))
    made = fit_translator(sides[0], sides[1], encoders, TranslatorSettings("procrustes"))
    storage.save(made, folder / "translator.safetensors")
    return folder / "translator.safetensors"


def blocks(rows: int, width: int) -> Any:
    rng = np.random.default_rng(1)
    for start in range(0, rows, BLOCK):
        yield rng.standard_normal((min(BLOCK, rows - start), width), dtype=np.float32)


def make_source(path: Path, rows: int, width: int) -> None:
    """A file of the kind that its name ends in; Parquet in one row group, which is the worst case."""
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema([("id", pa.int64()), ("vector", pa.list_(pa.float32(), width))])
        with pq.ParquetWriter(path, schema) as writer:
            whole = [pa.FixedSizeListArray.from_arrays(pa.array(b.reshape(-1)), width) for b in blocks(rows, width)]
            columns = [pa.chunked_array([pa.array(range(rows))]), pa.chunked_array(whole)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=rows)
        return
    plain = path.with_suffix(".npy")
    if not plain.exists():
        out = np.lib.format.open_memmap(plain, mode="w+", dtype=np.float32, shape=(rows, width))
        for at, block in enumerate(blocks(rows, width)):
            out[at * BLOCK : at * BLOCK + len(block)] = block
        out.flush()
    if path.suffix == ".npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(plain, "vectors.npy")
    if path.suffix == ".safetensors":
        carry_vectors(open_vectors(plain), path, Carrier(lambda X: X, stamp("one", width)))


def peak(arguments: list[str]) -> tuple[float, float]:
    """The largest resident set of a process, in MiB, and its seconds."""
    start = time.perf_counter()
    child = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{arguments} ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss / 1024, time.perf_counter() - start


def main() -> None:
    """Print one line a kind of file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--kinds", nargs="+", default=["npy"])
    parser.add_argument("--folder", type=Path, default=None, help="where the files go for a while")
    parser.add_argument("--make", type=Path, default=None, help="only make this file")
    given = parser.parse_args()
    if given.make is not None:
        make_source(given.make, given.rows, given.width)
        return
    size = ["--rows", str(given.rows), "--width", str(given.width)]
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        translator = make_translator(folder, given.width)
        source, output = folder / "rows.npy", folder / "carried"
        # In a process of its own: a child counts the memory that its parent has when it is born.
        peak([__file__, *size, "--make", str(source)])
        print(f"{given.rows} × {given.width} float32: {given.rows * given.width * 4 / 2**20:.0f} MiB")
        start, _ = peak(["-c", NOTHING])
        print(f"libraries alone                {start:7.0f} MiB")
        whole, seconds = peak(["-c", WHOLE, str(translator), str(source), str(output.with_suffix(".npy"))])
        print(f"loaded whole with numpy        {whole:7.0f} MiB  {seconds:6.1f} s")
        for kind in given.kinds:
            source = folder / f"rows.{kind}"
            peak([__file__, *size, "--make", str(source)])
            line = ["-m", "relstitch", "translate", "apply", str(translator), str(source), "--force",
                    "-o", str(output.with_suffix(f".{kind}"))]  # fmt: skip
            ours, seconds = peak(line)
            print(f"translate apply, .{kind:12} {ours:7.0f} MiB  {seconds:6.1f} s  ratio {ours / whole:.3f}")
            output.with_suffix(f".{kind}").unlink()


if __name__ == "__main__":
    main()

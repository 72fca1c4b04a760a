"""What a run of ``relstitch encode`` loses when something stops it: kills, signals, full disks, crashes, a second run.

Run it with: python tests/benchmarks/faults.py [--kills 100] [--terms 20] [--disks 20] [--crashes 20] [--pairs 10]

Every command is a process of its own, with a quick encoder that notes what it is given; it is stopped at a random moment
and run again, until it has written its output, and that is compared with the output of a run that nothing stopped. The
interval between two commits is a twentieth of a second instead of two, so that many kills hit a commit. For full disks a
small tmpfs is filled at a random moment where root may mount one; elsewhere the size of files is limited.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from relstitch.artifacts import Embeddings
from relstitch.encoding.journal import read_records
from relstitch.errors import RelstitchError
from relstitch.storage import load_embeddings

ROOT = Path(__file__).resolve().parents[2]
ROWS, BATCH, WIDTH, PAUSE, EVERY = 800, 8, 256, 0.01, 0.05
ENCODER = f"""
import os, time, zlib
import numpy as np
class make:
    def encode(self, items):
        with open(os.environ["GIVEN"], "a") as file:
            file.writelines(f"{{item}}\\n" for item in items)
        if os.environ.get("CRASH") and np.random.default_rng().random() < 0.1:
            os._exit(9)
        time.sleep({PAUSE})
        return np.stack([np.random.default_rng(zlib.crc32(x.encode())).normal(size={WIDTH}) for x in items])
    def stamp(self):
        return {{"version": 1}}
"""
CHILD = f"""
import os, resource
from relstitch.encoding import kept_work
kept_work._EVERY = kept_work._LONGEST = {EVERY}
if os.environ.get("MOST"):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["MOST"]), -1))
from relstitch.cli import main
main()
"""


@dataclass
class Tally:
    """What came of one kind of fault.

    Attributes:
        name: Which.
        runs: How many runs were stopped by it.
        lost: Rows that are missing from an output, or that the journal told of and that were encoded again.
        partial: Files under the output's name that are not whole.
        wrong: Outputs, exit codes and messages that are not as they must be.
        twice: The most rows that one stop had encoded twice.
        done: Outputs that were compared.
    """

    name: str
    runs: int = 0
    lost: int = 0
    partial: int = 0
    wrong: int = 0
    twice: int = 0
    done: int = 0


class Desk:
    """A folder with a table, an encoder, and the output in it or on another disk."""

    def __init__(self, folder: Path, disk: Path | None = None) -> None:
        self.folder, self.disk = folder, disk or folder
        self.output, self.given = self.disk / "out.safetensors", folder / "given.txt"
        (folder / "quick_encoder.py").write_text(ENCODER, encoding="utf-8")
        rows = [f"r{row},word {row} {'long ' * (row % 13)},{row % 3}" for row in range(ROWS)]
        (folder / "rows.csv").write_text("\n".join(["id,text,label", *rows]) + "\n", encoding="utf-8")

    def start(self, **variables: str) -> subprocess.Popen[str]:
        """Begin to encode."""
        line = [sys.executable, "-c", CHILD, "encode", "rows.csv", "-m", "python:quick_encoder:make", "-o",
                str(self.output), "--batch-size", str(BATCH)]  # fmt: skip
        environment = os.environ | {"PYTHONPATH": str(ROOT), "GIVEN": str(self.given)} | variables
        return subprocess.Popen(
            line, cwd=self.folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def rows_given(self) -> list[int]:
        """Which rows the encoder was given."""
        text = self.given.read_text(encoding="utf-8") if self.given.exists() else ""
        return [int(line.split()[1]) for line in text.splitlines()]

    def rows_kept(self) -> set[int]:
        """Which rows the journal tells of."""
        records = read_records(self.disk / ".out.safetensors.work" / "journal", ROWS)
        return {int(row) for record, _ in records for row in record.rows}

    def again(self) -> None:
        """Nothing was encoded yet."""
        self.output.unlink(missing_ok=True)
        self.given.unlink(missing_ok=True)
        shutil.rmtree(self.disk / ".out.safetensors.work", ignore_errors=True)


def judge(desk: Desk, expected: Embeddings, tally: Tally, code: int) -> bool:
    """Look at what stands under the output's name after a run; whether it is done."""
    if not desk.output.exists():
        tally.wrong += code == 0
        return False
    try:
        made = load_embeddings(desk.output)
    except RelstitchError:
        tally.partial += 1
        return False
    same = made.rows.ids.tolist() == expected.rows.ids.tolist() and (
        np.abs(made.vectors - expected.vectors).max() < 1e-5
        and made.rows.targets is not None
        and expected.rows.targets is not None
        and made.rows.targets.labels().tolist() == expected.rows.targets.labels().tolist()
    )
    tally.wrong += not same
    tally.lost += len(set(expected.rows.ids) - set(made.rows.ids))
    tally.done += 1
    return True


class Chain:
    """Runs of one command, each stopped, until the output is there; and again from the beginning."""

    def __init__(self, desk: Desk, expected: Embeddings, tally: Tally) -> None:
        self.desk, self.expected, self.tally = desk, expected, tally
        self.kept: set[int] = set()
        self.unfinished = False
        desk.again()

    def ended(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        """Wait for a run, and look at what it encoded and what it left."""
        said = process.communicate(timeout=120)[1]
        given = set(self.desk.rows_given())
        self.tally.lost += len(given & self.kept)
        self.desk.given.unlink(missing_ok=True)
        if judge(self.desk, self.expected, self.tally, process.returncode):
            self.desk.again()
            self.kept, self.unfinished = set(), False
        else:
            kept = self.desk.rows_kept()
            self.tally.lost += len(self.kept - kept)
            self.tally.twice = max(self.tally.twice, len(given - kept))
            self.kept, self.unfinished = kept, True
        return process.returncode, said


def wait_a_while(desk: Desk, process: subprocess.Popen[str], seconds: float, rng: random.Random) -> None:
    """Wait until a random moment of the work, which takes so many seconds from the first item on."""
    if rng.random() < 0.9:
        while process.poll() is None and not desk.given.exists():
            time.sleep(0.005)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=rng.uniform(0, 1.1) * seconds)


def undisturbed(desk: Desk) -> tuple[Embeddings, float]:
    """The output of a run that nothing stopped, in memory, and its seconds from the first item on."""
    process = desk.start()
    while process.poll() is None and not desk.given.exists():
        time.sleep(0.005)
    begin = time.perf_counter()
    said = process.communicate(timeout=300)[1]
    seconds = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(said)
    made = load_embeddings(desk.output)
    kept = Embeddings(made.rows, np.array(made.vectors), made.encoder, made.skipped, made.counts)
    desk.again()
    return kept, seconds


def signals(chain: Chain, runs: int, seconds: float, number: signal.Signals, rng: random.Random) -> None:
    """Stop runs at random moments of their work, one in ten before it begins."""
    while chain.tally.runs < runs:
        process = chain.desk.start()
        wait_a_while(chain.desk, process, seconds, rng)
        stopped = process.poll() is None
        process.send_signal(number)
        code, said = chain.ended(process)
        chain.tally.runs += stopped
        # A signal may come before Python has its handlers, or when the work is just done.
        fine = {-signal.SIGKILL, 0} if number is signal.SIGKILL else {143, -signal.SIGTERM, 0}
        chain.tally.wrong += code not in fine or "Traceback" in said
    finish(chain)


def finish(chain: Chain) -> None:
    """Let the last command come to its end."""
    while chain.unfinished:
        code, _ = chain.ended(chain.desk.start())
        if code:
            chain.tally.wrong += 1
            return


def crashes(chain: Chain, runs: int) -> None:
    """An encoder that takes its process down with it, in one batch of ten."""
    while chain.tally.runs < runs:
        code, said = chain.ended(chain.desk.start(CRASH="1"))
        chain.tally.runs += code == 9
        chain.tally.wrong += code not in (0, 9) or "Traceback" in said
    finish(chain)


def pairs(chain: Chain, runs: int) -> None:
    """Two runs of one command at once: one writes, the other is refused or finds the output."""
    for _ in range(runs):
        both = [chain.desk.start(), chain.desk.start()]
        said = [process.communicate(timeout=120)[1] for process in both]
        codes = sorted(process.returncode for process in both)
        told = any("Another run is writing" in text or "exists already" in text for text in said)
        chain.tally.runs += 1
        chain.tally.twice = max(chain.tally.twice, len(chain.desk.rows_given()) - ROWS)
        chain.tally.wrong += codes != [0, 2] or not told
        judge(chain.desk, chain.expected, chain.tally, 0)
        chain.desk.again()


def full_disks(chain: Chain, runs: int, seconds: float, rng: random.Random) -> None:
    """Fill the disk of the output at a random moment, make room, run again."""
    ballast = chain.desk.disk / "ballast"
    while chain.tally.runs < runs:
        process = chain.desk.start()
        wait_a_while(chain.desk, process, seconds, rng)
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        code, said = chain.ended(process)
        chain.tally.runs += code == 2
        chain.tally.wrong += code not in (0, 2) or "Traceback" in said
        ballast.unlink()
        if chain.unfinished and rng.random() < 0.5:
            finish(chain)
    finish(chain)


def small_files(chain: Chain, runs: int, rng: random.Random) -> None:
    """Let no file grow beyond a random size, then beyond none."""
    for _ in range(runs):
        code, said = chain.ended(chain.desk.start(MOST=str(rng.randrange(60_000, ROWS * (4 * WIDTH + 40)))))
        chain.tally.runs += code == 2
        chain.tally.wrong += code not in (0, 2) or "Traceback" in said
        finish(chain)


@contextmanager
def small_disk(size: int) -> Iterator[Path | None]:
    """A tmpfs of so many bytes; None where we may not mount one."""
    with tempfile.TemporaryDirectory() as folder:
        line = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
        try:
            mounted = subprocess.run(line, capture_output=True, check=False).returncode == 0
        except OSError:
            mounted = False
        try:
            yield Path(folder) if mounted else None
        finally:
            if mounted:
                subprocess.run(["umount", "-l", folder], check=False)


def run(given: argparse.Namespace, folder: Path, disk: Path | None) -> list[Tally]:
    """All faults, one after the other."""
    rng = random.Random(given.seed)
    desk = Desk(folder)
    expected, seconds = undisturbed(desk)
    print(
        f"{ROWS} rows × {WIDTH}; from the first item on, a run that nothing stops takes {seconds:.1f} s", flush=True
    )
    tallies = []

    def chain(name: str, place: Desk = desk) -> Chain:
        tallies.append(Tally(name))
        return Chain(place, expected, tallies[-1])

    signals(chain("kill -9 at a random moment"), given.kills, seconds, signal.SIGKILL, rng)
    signals(chain("SIGTERM at a random moment"), given.terms, seconds, signal.SIGTERM, rng)
    if disk is None:
        small_files(chain("limited size of files"), given.disks, rng)
    else:
        full_disks(chain("full disk (tmpfs)", Desk(folder, disk)), given.disks, seconds, rng)
    crashes(chain("encoder that crashes"), given.crashes)
    pairs(chain("two runs on one output"), given.pairs)
    return tallies


def main() -> None:
    """Print one line a kind of fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, runs in (("kills", 100), ("terms", 20), ("disks", 20), ("crashes", 20), ("pairs", 10), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=runs)
    given = parser.parse_args()
    begin = time.perf_counter()
    size = 2 * ROWS * (4 * WIDTH + 100) + 2**18
    with tempfile.TemporaryDirectory() as folder, small_disk(size) as disk:
        tallies = run(given, Path(folder), disk)
    print(
        "| fault | runs stopped | outputs compared | rows lost | partial files | wrong results | rows encoded twice, at most |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for tally in tallies:
        print(
            f"| {tally.name} | {tally.runs} | {tally.done} | {tally.lost} | {tally.partial} | {tally.wrong} | {tally.twice} |"
        )
    print(f"{time.perf_counter() - begin:.0f} s")
    if any(tally.lost or tally.partial or tally.wrong for tally in tallies):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

"""How long ``relstitch --help`` takes beside a bare Typer program's ``--help``, in alternating runs.

Run it with: python tests/benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 11
BARE = "import typer\napp = typer.Typer()\n@app.command()\ndef main(name: str) -> None: ...\napp()\n"


def seconds(line: list[str]) -> float:
    """The wall-clock time of one run."""
    start = time.perf_counter()
    subprocess.run(line, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Print medians and the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE, encoding="utf-8")
        ours = [str(Path(sys.executable).parent / "relstitch"), "--help"]
        peer = [sys.executable, str(bare), "--help"]
        pairs = [(seconds(ours), seconds(peer)) for _ in range(RUNS + 1)][1:]
    ratios = [one / other for one, other in pairs]
    print(f"relstitch --help    median {statistics.median(one for one, _ in pairs):.3f} s")
    print(f"bare Typer --help   median {statistics.median(other for _, other in pairs):.3f} s")
    print(f"ratio               median {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()

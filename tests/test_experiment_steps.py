"""Steps of an experiment: whole or absent, taken over after a break, made again where anything is amiss."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relstitch.experiments.steps import Steps


class Made:
    """Counts how often a step is made."""

    def __init__(self, result: Any) -> None:
        self.result, self.times = result, 0

    def __call__(self) -> Any:
        self.times += 1
        return self.result


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_what_was_made_is_not_made_again(tmp_path: Path) -> None:
    values, arrays = Made({"accuracy": [0.5, 1]}), Made({"x": np.arange(6.0).reshape(2, 3), "names": np.array(["a"])})
    for _ in range(2):
        steps = Steps(tmp_path, "1")
        assert steps.values("fit", {"seed": 0}, values) == {"accuracy": [0.5, 1]}
        held = steps.arrays("fit", {"seed": 0}, arrays)
        assert {name: array.tolist() for name, array in held.items()} == {"x": [[0, 1, 2], [3, 4, 5]], "names": ["a"]}
    assert (values.times, arrays.times) == (1, 1)
    assert [re.sub(r"-[0-9a-f]{16}", "", file.name) for file in files(tmp_path)] == ["fit.json", "fit.npz"]


def test_a_first_run_gives_what_a_resumed_one_gives(tmp_path: Path) -> None:
    """Tuples are lists in both, keys are text in both: a report can't differ by who made its steps."""
    first, second = (Steps(tmp_path).values("s", {}, Made({"pair": (1, 2), "by": {3: 4}})) for _ in range(2))
    assert first == second == {"pair": [1, 2], "by": {"3": 4}}


@pytest.mark.parametrize(
    "other",
    [
        (Steps, "2", "fit", {"seed": 0, "size": "toy"}),
        (Steps, "1", "fit", {"seed": 1, "size": "toy"}),
        (Steps, "1", "fit", {"seed": 0, "size": "usual"}),
        (Steps, "1", "fit", {"seed": 0}),
        (Steps, "1", "fit-b", {"seed": 0, "size": "toy"}),
    ],
    ids=["version", "seed", "size", "fewer settings", "name"],
)
def test_other_settings_are_another_step(tmp_path: Path, other: tuple[Any, str, str, dict[str, Any]]) -> None:
    Steps(tmp_path, "1").values("fit", {"seed": 0, "size": "toy"}, Made("first"))
    _, version, name, depends_on = other
    made = Made("second")
    assert Steps(tmp_path, version).values(name, depends_on, made) == "second"
    assert made.times == 1
    # The first is still there.
    assert Steps(tmp_path, "1").values("fit", {"size": "toy", "seed": 0}, Made("third")) == "first"


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def garbage(file: Path) -> None:
    file.write_bytes(os.urandom(300))


def change(file: Path) -> None:
    """One byte of what is kept, so that the file can still be read."""
    data = bytearray(file.read_bytes())
    if file.suffix == ".json":
        at = data.index(b"[1.5") + 3
        data[at : at + 1] = b"7"
    else:
        with zipfile.ZipFile(file) as archive:
            info = archive.getinfo("x.npy")
        lengths = data[info.header_offset + 26 : info.header_offset + 30]
        start = info.header_offset + 30 + sum(int.from_bytes(lengths[at : at + 2], "little") for at in (0, 2))
        data[start + info.compress_size // 2] ^= 0x01
    file.write_bytes(bytes(data))


def restate(file: Path) -> None:
    """One digit of how long the step took."""
    data = bytearray(file.read_bytes())
    if file.suffix == ".json":
        at = data.index(b'"seconds": ') + len(b'"seconds": ')
        data[at : at + 1] = b"7" if data[at : at + 1] != b"7" else b"8"
        file.write_bytes(bytes(data))
    else:
        empty(file)


def foreign(file: Path) -> None:
    """A whole file of the right kind, of another program."""
    if file.suffix == ".json":
        file.write_text("[1, 2]")
    else:
        np.savez(file, x=np.zeros(1))


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()
    file.rmdir()


@pytest.mark.parametrize("damage", [cut, empty, garbage, change, restate, foreign, folder])
@pytest.mark.parametrize("form", ["values", "arrays"])
def test_a_damaged_file_is_made_again(tmp_path: Path, form: str, damage: Callable[[Path], None]) -> None:
    def ask(made: Made) -> Any:
        steps = Steps(tmp_path)
        return steps.values("s", {}, made) if form == "values" else steps.arrays("s", {}, made)["x"].tolist()

    result: Any = [1.5] * 50 if form == "values" else {"x": np.full(50, 1.5)}
    assert ask(Made(result)) == [1.5] * 50
    (file,) = files(tmp_path)
    damage(file)
    again = Made(result)
    assert ask(again) == [1.5] * 50
    assert again.times == 1
    assert ask(again) == [1.5] * 50
    assert again.times == 1
    assert files(tmp_path) == [file]


def test_a_file_under_the_name_of_another_step_is_not_believed(tmp_path: Path) -> None:
    Steps(tmp_path).values("s", {"seed": 0}, Made("zero"))
    (zero,) = files(tmp_path)
    Steps(tmp_path).values("s", {"seed": 1}, Made("one"))
    (one,) = set(files(tmp_path)) - {zero}
    one.write_bytes(zero.read_bytes())
    assert Steps(tmp_path).values("s", {"seed": 1}, Made("one, again")) == "one, again"


def test_a_step_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> Any:
        raise KeyboardInterrupt

    steps = Steps(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        steps.values("s", {}, fail)
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        steps.values("s", {}, Made(float("nan")))
    assert files(tmp_path) == []


def test_a_run_stopped_while_it_writes_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stopped)
        with pytest.raises(KeyboardInterrupt):
            Steps(tmp_path).arrays("s", {}, Made({"x": np.ones(3)}))
    assert files(tmp_path) == []


def test_a_run_killed_halfway_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Killed with no chance to clean up: finished steps are taken over, the one it was at is made, once more."""
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, signal, sys
            from pathlib import Path
            from relstitch.experiments.steps import Steps

            steps, kill = Steps(Path(sys.argv[1])), sys.argv[2]

            def make(seed):
                print("made", seed)
                sys.stdout.flush()
                if kill == "make" and seed == 2:
                    os.kill(os.getpid(), signal.SIGKILL)
                if kill == "write" and seed == 2:
                    Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
                return seed * 10

            print(sum(steps.values("seed", {"seed": seed}, lambda: make(seed)) for seed in range(4)))
            """
        )
    )
    for kill in ("make", "write"):
        place = tmp_path / kill

        def run(what: str, place: Path = place) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, str(script), str(place), what]
            return subprocess.run(command, capture_output=True, text=True, check=False)

        killed, resumed = run(kill), run("no")
        assert killed.returncode == -signal.SIGKILL
        assert killed.stdout.split("\n")[:-1] == ["made 0", "made 1", "made 2"]
        assert (resumed.returncode, resumed.stdout) == (0, "made 2\nmade 3\n60\n"), resumed.stderr


def test_no_pickle_is_written(tmp_path: Path) -> None:
    steps = Steps(tmp_path)
    with pytest.raises(TypeError) as error:
        steps.arrays("s", {}, Made({"x": np.array([{}], dtype=object)}))
    assert str(error.value) == "The array 'x' of the step 's' holds objects; a step keeps plain values only."
    assert files(tmp_path) == []
    steps.arrays("s", {}, Made({"x": np.ones(2), "names": np.array(["é", "b"])}))
    with zipfile.ZipFile(files(tmp_path)[0]) as archive:
        assert not any(b"O" in archive.read(name)[:128].split(b"'descr': ")[1][:5] for name in archive.namelist())


class Trap:
    """Pickled, it would run something when it is loaded."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (os.environ["RELSTITCH_TRAP"],)


def test_no_pickle_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sprung = tmp_path / "sprung"
    monkeypatch.setenv("RELSTITCH_TRAP", str(sprung))
    place = tmp_path / "steps"
    Steps(place).arrays("s", {}, Made({"x": np.ones(2)}))
    (file,) = files(place)
    with np.load(file) as held:
        rest = {name: held[name] for name in held.files}
    np.savez(file, **{**rest, "x": np.array([Trap()], dtype=object)})
    assert Steps(place).arrays("s", {}, Made({"x": np.zeros(2)}))["x"].tolist() == [0, 0]
    file.write_bytes(pickle.dumps(Trap()))
    assert Steps(place).arrays("s", {}, Made({"x": np.ones(1)}))["x"].tolist() == [1]
    assert not sprung.exists()


def test_a_fresh_run_makes_every_step_once_more(tmp_path: Path) -> None:
    Steps(tmp_path).values("s", {}, Made("old"))
    made = Made("new")
    fresh = Steps(tmp_path, fresh=True)
    assert [fresh.values("s", {}, made), fresh.values("s", {}, made)] == ["new", "new"]
    assert made.times == 1
    assert Steps(tmp_path).values("s", {}, Made("other")) == "new"


def test_time_is_counted_over_interruptions_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])

    def slow(seconds: float, inner: Callable[[], Any] = lambda: None) -> Callable[[], Any]:
        def make() -> int:
            clock[0] += seconds
            inner()
            return 1

        return make

    first = Steps(tmp_path)
    first.values("a", {}, slow(10))
    assert (first.seconds, first.seconds_now) == (10, 10)
    second = Steps(tmp_path)
    second.values("a", {}, slow(10))
    second.values("outer", {}, slow(5, lambda: second.values("inner", {}, slow(3))))
    second.values("outer", {}, slow(5))
    assert (second.seconds, second.seconds_now) == (18, 8)


def test_a_file_says_what_it_is_of(tmp_path: Path) -> None:
    Steps(tmp_path, "relstitch 1").values("fit", {"seed": 3}, Made(7))
    held = json.loads(files(tmp_path)[0].read_text())
    assert (held["step"], held["of"], held["result"]) == ("fit", '["relstitch 1", {"seed": 3}]', 7)

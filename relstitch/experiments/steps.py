"""Finished steps of an experiment, kept in a folder: what was computed once is not computed again after a break."""

import hashlib
import json
import os
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]

_ABOUT = "about this step"
"""The key in an ``.npz`` file that holds what the step is and how long it took; no array of an experiment's."""

_DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)
"""What reading raises where a file was cut short or changed; it is then made again."""


@dataclass(frozen=True)
class Steps:
    """A folder of finished steps.

    A step is known by its name and by everything its result depends on; another seed, size or version of relstitch is
    another step. Values are kept as JSON, arrays as ``.npz``, never as pickles; a file is whole or absent, says what
    it is of, and is made again where it is damaged.

    Attributes:
        folder: Where they are kept.
        version: Of what makes them; steps of another version are not read.
        fresh: Whether steps that were there before are made again.
    """

    folder: Path
    version: str = ""
    fresh: bool = False
    _seconds: dict[Path, float] = field(default_factory=dict, init=False, repr=False, compare=False)
    _made: list[float] = field(default_factory=lambda: [0.0], init=False, repr=False, compare=False)

    @property
    def seconds(self) -> float:
        """How long the steps that were asked for took to make, whenever that was."""
        return sum(self._seconds.values())

    @property
    def seconds_now(self) -> float:
        """How much of `seconds` was spent in this run."""
        return self._made[0]

    def values(self, name: str, depends_on: Mapping[str, Any], make: Callable[[], Any]) -> Any:
        """The JSON values of a step, from the folder or made now.

        Args:
            name: Of the step; part of the file's name.
            depends_on: Everything that decides the result, as JSON values.
            make: Computes it: JSON values without NaN.

        Example:
            >>> import tempfile
            >>> steps = Steps(Path(tempfile.mkdtemp()))
            >>> [steps.values("sum", {"of": [1, 2]}, lambda: 3), steps.values("sum", {"of": [1, 2]}, lambda: 4)]
            [3, 3]
        """

        def write(place: Path, made: Any, about: dict[str, Any]) -> None:
            held = {**about, "result": made}
            text = json.dumps({**held, "sha256": _sum_of(held)}, allow_nan=False)
            place.write_text(text, encoding="utf-8")

        return self._step(name, depends_on, make, (".json", write, _read_values))

    def arrays(self, name: str, depends_on: Mapping[str, Any], make: Callable[[], Arrays]) -> dict[str, NDArray[Any]]:
        """The arrays of a step, from the folder or made now.

        Args:
            name: Of the step; part of the file's name.
            depends_on: Everything that decides the result, as JSON values.
            make: Computes them: numbers, truth values or text by name, no arrays of objects.

        Raises:
            TypeError: An array of objects, which only a pickle could keep.

        Example:
            >>> import tempfile
            >>> steps = Steps(Path(tempfile.mkdtemp()))
            >>> steps.arrays("ones", {"n": 2}, lambda: {"x": np.ones(2)})["x"].tolist()
            [1.0, 1.0]
        """

        def write(place: Path, made: Arrays, about: dict[str, Any]) -> None:
            with place.open("wb") as stream:
                kept: dict[str, Any] = {_ABOUT: np.array(json.dumps(about)), **_checked(name, made)}
                np.savez_compressed(stream, **kept)

        result: dict[str, NDArray[Any]] = self._step(name, depends_on, make, (".npz", write, _read_arrays))
        return result

    def _step(
        self,
        name: str,
        depends_on: Mapping[str, Any],
        make: Callable[[], Any],
        form: tuple[str, Callable[[Path, Any, dict[str, Any]], None], Callable[[Path], tuple[Any, dict[str, Any]]]],
    ) -> Any:
        ending, write, read = form
        told = json.dumps([self.version, depends_on], sort_keys=True, allow_nan=False)
        file = self.folder / f"{name}-{hashlib.sha256(told.encode()).hexdigest()[:16]}{ending}"
        if not self.fresh or file in self._seconds:
            try:
                return self._read(file, told, read)
            except _DAMAGED:
                pass
        before, start = self.seconds_now, time.monotonic()
        made = make()
        took = time.monotonic() - start
        about = {"step": name, "of": told, "seconds": took - (self.seconds_now - before)}
        self._write(file, lambda place: write(place, made, about))
        self._made[0] = before + took
        return self._read(file, told, read)

    def _read(self, file: Path, told: str, read: Callable[[Path], tuple[Any, dict[str, Any]]]) -> Any:
        result, about = read(file)
        if about["of"] != told:
            raise KeyError(told)
        self._seconds[file] = float(about["seconds"])
        return result

    def _write(self, file: Path, write: Callable[[Path], None]) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{os.getpid()}-{file.name}.partial")
        try:
            write(part)
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)


def _sum_of(values: Any) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _read_values(file: Path) -> tuple[Any, dict[str, Any]]:
    held = json.loads(file.read_text(encoding="utf-8"))
    sha256 = held.pop("sha256")
    if sha256 != _sum_of(held):
        raise KeyError(sha256)
    return held["result"], held


def _read_arrays(file: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    with np.load(file, allow_pickle=False) as held:
        about = json.loads(str(held[_ABOUT]))
        return {key: held[key] for key in held.files if key != _ABOUT}, about


def _checked(name: str, made: Arrays) -> dict[str, NDArray[Any]]:
    arrays = {key: np.asarray(value) for key, value in made.items()}
    for key, value in arrays.items():
        if value.dtype.hasobject:
            raise TypeError(f"The array {key!r} of the step {name!r} holds objects; a step keeps plain values only.")
    return arrays

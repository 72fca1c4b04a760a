"""The part of ``relstitch stitch`` for a decoder that is trained already: from its file to a report."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relstitch.errors import UsageError
from relstitch.names import DECODERS, InputForm, WeightsLayout


@dataclass(frozen=True)
class ReadyGiven:
    """What was said of the decoder beside its file.

    Attributes:
        decoder: A name of `relstitch.names.DECODERS`, or a file.
        of: The file whose encoder it reads: its path or its name in the table.
        input: What it does to a row first.
        classes: A file of its class names.
        layout: How its weights lie.
    """

    decoder: str
    of: str | None = None
    input: InputForm | None = None
    classes: Path | None = None
    layout: WeightsLayout | None = None

    @property
    def ready(self) -> bool:
        """Whether the decoder is a file, so that nothing is trained."""
        return self.decoder not in DECODERS


def check_ready(given: ReadyGiven, trained: Mapping[str, bool]) -> None:
    """Refuse options that mean nothing for the decoder that was given.

    Args:
        given: The decoder, and what was said of it.
        trained: Option of decoders that a stitch trains → whether it was given.
    """
    if not given.ready:
        said = {"--decoder-of": given.of, "--input": given.input, "--classes": given.classes,
                "--weights-layout": given.layout}  # fmt: skip
        wrong = ", ".join(option for option, value in said.items() if value is not None)
        if wrong:
            raise UsageError(
                f"{wrong}: only for a decoder in a file, and {given.decoder} is trained by the stitch. Leave it out, "
                "or give the file with --decoder FILE."
            )
        return
    if not Path(given.decoder).exists():
        raise UsageError(
            f"There is no decoder {given.decoder!r}, neither by that name nor as a file. Choose one of: "
            f"{', '.join(DECODERS)}; or give a file (.safetensors, .npz, .onnx)."
        )
    wrong = ", ".join(option for option, was_given in trained.items() if was_given)
    if wrong:
        raise UsageError(
            f"{wrong}: for decoders that a stitch trains, and {given.decoder} is trained already. Leave it out."
        )


def open_ready(given: ReadyGiven, spaces: Mapping[str, Any], by_path: Mapping[str, str]) -> tuple[Any, str]:
    """The decoder, and the name of the file whose encoder it reads.

    Args:
        given: The decoder's file, and what was said of it.
        spaces: The files of the stitch, by name.
        by_path: Path of a file → its name.
    """
    from relstitch.artifacts import Decoder
    from relstitch.decoders.ready import ready_function, ready_linear
    from relstitch.report import tell
    from relstitch.stitching.ready import owner_of, ready_of
    from relstitch.storage.networks import DecoderNetwork, load_network
    from relstitch.storage.ready_decoders import load_ready

    path = Path(given.decoder)
    named = None if given.of is None else _named(given.of, spaces, by_path)
    widths = [space.encoder.dimension for name, space in spaces.items() if named in (None, name)]
    held = load_network(path) if path.suffix.lower() == ".onnx" else load_ready(path)
    if isinstance(held, DecoderNetwork):
        _check_layout(given)
        said = _statement(given, held.names, held.input)
        # Without a width the name was wrong, which is told with the names there are.
        width = held.width or (_only_width(path, widths) if widths else 0)
        decoder = ready_function(held.run, width, said, told="an ONNX network")
    elif isinstance(held, Decoder):
        _check_own(given)
        decoder = ready_of(held, path.name)
    else:
        decoder = ready_linear(held.arrays, _statement(given, held.names, held.input), widths)
    own = owner_of(decoder, spaces, named)
    if named is None and decoder.encoder is None:
        tell(
            f"{path} does not say whose embeddings it reads: it was taken for a decoder of {own}, the only file of "
            f"{decoder.width} values per row."
        )
    return decoder, own


def _named(of: str, spaces: Mapping[str, Any], by_path: Mapping[str, str]) -> str:
    """The file that was meant: by its name in the table, or by any path that leads to it."""
    if of in spaces:
        return of
    place = Path(of).resolve()
    return next((name for path, name in by_path.items() if Path(path).resolve() == place), of)


def _check_layout(given: ReadyGiven) -> None:
    if given.layout is not None:
        raise UsageError(
            f"--weights-layout: {given.decoder} is a network, which says itself how its weights are laid out. Leave "
            "the option out."
        )


def _only_width(path: Path, widths: list[int]) -> int:
    if len(set(widths)) == 1:
        return widths[0]
    raise UsageError(
        f"{path} does not say how many values it reads, and the files have {' and '.join(map(str, widths))}. Say "
        "whose decoder it is, with --decoder-of."
    )


def _check_own(given: ReadyGiven) -> None:
    if given.input is not None or given.classes is not None or given.layout is not None:
        raise UsageError(
            f"{given.decoder} is a decoder file of relstitch, which already says what it reads and answers. Leave "
            "--input, --classes and --weights-layout out."
        )


def _statement(given: ReadyGiven, names: tuple[str, ...] | None, form: Any) -> Any:
    """What the file says and what the user says, as one; where both speak, they must agree."""
    from relstitch.decoders.ready import ReadyStatement

    told = None if given.classes is None else read_classes(given.classes)
    for option, own, other in (("--classes", names, told), ("--input", form, given.input)):
        if own is not None and other is not None and own != other:
            raise UsageError(
                f"{given.decoder} says {_shown(own)}, and {option} says {_shown(other)}. Leave {option} out, or "
                "export the decoder again."
            )
    return ReadyStatement(Path(given.decoder).name, names or told, form or given.input, given.layout)


def _shown(value: Any) -> str:
    from relstitch.errors import some

    return some(value) if isinstance(value, tuple) else str(value)


def read_classes(path: Path) -> tuple[str, ...]:
    """Class names in the order of the outputs: a JSON list of texts, or one name per line."""
    import json

    try:
        text = path.read_text(encoding="utf-8-sig")
        # An empty line at the end is no name; and only the end of a line ends a name.
        values = json.loads(text) if text.lstrip().startswith(("[", "{")) else text.rstrip("\n").split("\n")
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} holds no class names ({error}); expected a JSON list of texts, or one name per line, in UTF-8."
        ) from None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise UsageError(f'{path} holds other JSON than expected; expected a list of texts such as ["cat", "dog"].')
    return tuple(values)

"""``relstitch predict``: a saved decoder on a file or on new items."""

from pathlib import Path
from typing import Annotated, Any

import typer

from relstitch.cli import options as shared
from relstitch.cli.reading import encoder_options, read_options
from relstitch.errors import UsageError
from relstitch.names import MAX_PIXELS


def predict(
    decoder: Annotated[
        Path,
        typer.Argument(metavar="DECODER", help="A decoder file, from stitch --save-decoder.", show_default=False),
    ],
    sources: shared.Sources,
    model: shared.Model = None,
    text: shared.Text = None,
    image: shared.Image = None,
    label: shared.Label = None,
    id_: shared.Id = None,
    split: shared.Split = None,
    format_: shared.Format = None,
    encoding: shared.Encoding = "utf-8",
    delimiter: shared.Delimiter = None,
    header: shared.Header = True,
    quotes: shared.Quotes = True,
    limit: shared.Limit = None,
    on_empty: shared.OnEmptyChoice = "error",
    on_bad: shared.OnBadChoice = "error",
    allow_outside: shared.AllowOutside = False,
    max_pixels: shared.MaxPixels = MAX_PIXELS,
    batch_size: shared.Batch = 32,
    device: shared.Device = None,
    dtype: shared.Dtype = None,
    prompt: shared.Prompt = None,
    max_length: shared.MaxLength = None,
    checkpoint: shared.Checkpoint = None,
    by_order: shared.ByOrder = False,
    trust_remote_code: shared.TrustRemoteCode = False,
    json: shared.Json = False,
) -> None:
    """Answer with a saved decoder: for a relative file, an embeddings file, or new items (with --model).

    The anchors' vectors are inside the decoder file, for every encoder that took part in the stitch.
    """
    from relstitch import storage
    from relstitch.encoding import EmbedOptions, EncodeOptions
    from relstitch.encoding import encode as run
    from relstitch.encoding.sources import source_files
    from relstitch.report import progress, show_json, show_rows, tell
    from relstitch.stitching import predict_with

    given = {**locals(), "label_separator": None, "count": None}
    learned = storage.load_decoder(decoder)
    if learned.task == "image":
        raise UsageError(
            f"{decoder} draws pictures, which no line of text holds. In Python, relstitch.predict_with gives them as "
            "an array."
        )
    if not any(map(_holds_vectors, source_files(sources))):
        model, given = _as_in_training(learned, model, given)
    if model is None and len(sources) == 1 and storage.peek(sources[0]) == "relative":
        space = _first_rows(storage.load_relative(sources[0]), limit)
    else:
        with progress("Encoding") as advance:
            embed = EmbedOptions(
                batch_size=batch_size, on_bad=on_bad, max_pixels=max_pixels, progress=advance, note=tell
            )
            options = EncodeOptions(read=read_options(given), encoder=encoder_options(given), embed=embed)
            space = run(sources, model, options=options)
    prediction = predict_with(learned, space)
    names, rows = _table(space.rows.ids.tolist(), prediction)
    if json:
        show_json({"decoder": str(decoder), "names": list(prediction.names), "skipped": len(space.skipped),
                   "predictions": [dict(zip(names, row, strict=True)) for row in rows]})  # fmt: skip
    else:
        show_rows(names, [[row[0], *map(_cell, row[1:])] for row in rows])


def _holds_vectors(source: str) -> bool:
    """Whether there is nothing to encode any more, so that the decoder's own model is not to be loaded for it."""
    from relstitch.dataset.graphs import is_graph
    from relstitch.dataset.sources import Source
    from relstitch.storage import peek

    path = Path(source)
    if path.suffix.lower() == ".npz":
        return not is_graph(Source(source, None, "npz", path))
    return path.suffix.lower() in {".npy", ".safetensors"} or peek(source) is not None


def _first_rows(space: Any, limit: int | None) -> Any:
    seen: dict[str, int] = {}
    kept = []
    for at, split in enumerate(space.rows.splits.tolist()):
        seen[split] = seen.get(split, 0) + 1
        if limit is None or seen[split] <= limit:
            kept.append(at)
    return space if limit is None else space.take(kept)


def _as_in_training(learned: Any, model: str | None, given: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """The model to use, and the options of its stamp for those that were not given."""
    if model is None and learned.encoder is not None and learned.encoder.modality != "vectors":
        model = learned.encoder.spec
    for stamp, _ in learned.spaces:
        if stamp.spec == model:
            known = {"prompt": stamp.prompt, "max_length": stamp.max_length}
            return model, {**given, **{name: value for name, value in known.items() if given[name] is None}}
    return model, given


def _table(ids: list[str], prediction: Any) -> tuple[list[str], list[list[Any]]]:
    if prediction.task == "real":
        values = prediction.values.tolist()
        return ["id", *prediction.names], [[name, *row] for name, row in zip(ids, values, strict=True)]
    answers = [list(found) if isinstance(found, tuple) else found for found in prediction.labels()]
    return ["id", "answer"], [[name, answer] for name, answer in zip(ids, answers, strict=True)]


def _cell(value: Any) -> str:
    return "; ".join(value) if isinstance(value, list) else str(value)

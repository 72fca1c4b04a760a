"""``relstitch translate apply``: a file of vectors carried to the other encoder's space, in bounded memory."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from relstitch.cli import options as shared
from relstitch.cli.translate_reading import open_map
from relstitch.errors import MismatchError

if TYPE_CHECKING:
    from relstitch.artifacts import EncoderStamp, Translator
    from relstitch.storage.vector_streams import VectorSource

_READ = "How the source is read"
_HUB = "Which two encoders of a hub"


def apply(
    translator: Annotated[
        Path,
        typer.Argument(
            metavar="TRANSLATOR",
            help="A translator file, from translate fit or compose, or a hub file, from translate hub.",
            show_default=False,
        ),
    ],
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="The rows: an embeddings file, .npy, .npz, or Parquet with a column of vectors.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The file to write: the same kind as SOURCE, or .npy; from .npy and Parquet also .safetensors.",
            show_default=False,
        ),
    ],
    side: Annotated[
        Literal["source", "target"] | None,
        typer.Option(
            "--side",
            help="Which side's rows they are; default: as the embeddings file says, otherwise source.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="The encoder to carry the rows to: its name, or an embeddings file of it.",
            rich_help_panel=_HUB,
        ),
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(
            "--from", help="The encoder of the rows, where SOURCE does not say: likewise.", rich_help_panel=_HUB
        ),
    ] = None,
    vectors: Annotated[
        str | None,
        typer.Option("--vectors", help="Column of a Parquet table that holds the vectors.", rich_help_panel=_READ),
    ] = None,
    id_: Annotated[
        str | None,
        typer.Option(
            "--id", help="Column of a Parquet table that holds the ids; default: id.", rich_help_panel=_READ
        ),
    ] = None,
    array: Annotated[
        str | None,
        typer.Option("--array", help="Array of a .npz file that holds the vectors.", rich_help_panel=_READ),
    ] = None,
    force: shared.Force = False,
    json: shared.Json = False,
) -> None:
    """Carry vectors from one encoder's space to the other's, block by block: files may be larger than memory.

    Ids, labels, other columns and other arrays are copied along. The carried vectors are float32.
    Rows of a file that does not say which encoder made them are taken for the source's.
    """
    from relstitch.report import progress, show_facts, show_json, tell
    from relstitch.storage.vector_streams import Carrier, carry_vectors, open_vectors
    from relstitch.translation import translate

    rows = open_vectors(source, vectors=vectors, id_=id_, array=array)
    fitted = open_map(translator, source=rows.encoder, to=to, origin=origin)
    found, place = _ends(fitted, rows, side)
    with progress("Translating") as advance:
        carrier = Carrier(partial(translate, fitted, side=found), place, advance)
        made = carry_vectors(rows, output, carrier, force=force, inputs=[translator])
    if rows.encoder is None and side is None and origin is None:
        tell(
            f"{source} does not say which encoder made it: its rows were taken for those of {fitted.source.spec}, "
            "the translator's source."
        )
    _tell_oddities(fitted, rows, found)
    facts = {
        "output": str(output), "kind": made.kind, "rows": made.rows, "dimension": made.width, "side": found,
        "from": (fitted.source if found == "source" else fitted.target).spec, "to": place.spec,
        "method": fitted.method, "copied": list(made.beside),
    }  # fmt: skip
    if json:
        show_json(facts)
    else:
        facts["other columns or arrays copied"] = facts.pop("copied")
        show_facts(f"Wrote {output}", facts)


def _tell_oddities(translator: "Translator", rows: "VectorSource", side: Any) -> None:
    """Rows whose encoder nobody knows may be another one's: then they rarely lie where the anchors lie."""
    import numpy as np

    from relstitch.report import tell
    from relstitch.translation import is_unknown, note_on_likeness
    from relstitch.translation.likeness import LOOKED_AT

    expected = translator.source if side == "source" else translator.target
    known = rows.encoder is not None and not is_unknown(rows.encoder)
    if known or (rows.encoder is not None and rows.encoder.identity == expected.identity):
        return
    head: list[Any] = []
    for block in rows.blocks():
        head.append(block)
        if sum(map(len, head)) >= LOOKED_AT:
            break
    note = note_on_likeness(translator, np.concatenate(head), str(rows.path), side=side)
    if note is not None:
        tell(note)


def _ends(translator: "Translator", rows: "VectorSource", side: Any) -> tuple[Any, "EncoderStamp"]:
    """Whose rows they are, and the stamp of where they will be."""
    import numpy as np

    from relstitch.artifacts import Embeddings, Rows
    from relstitch.translation import side_of, translate_embeddings

    supposed = translator.target if side == "target" else translator.source
    encoder = rows.encoder or supposed
    found = side_of(translator, encoder, side)
    expected = translator.source if found == "source" else translator.target
    if rows.width != expected.dimension:
        raise MismatchError(
            f"{rows.path} holds vectors of width {rows.width}; the translator's {found} ({expected.spec}) is "
            f"{expected.dimension} wide. Encode the rows with that encoder, or name the other side with --side."
        )
    # Carried like any embeddings, one row tells where all of them will be.
    one = Embeddings(Rows.build(["one"]), np.ones((1, rows.width), dtype=np.float32), encoder)
    return found, translate_embeddings(translator, one, side=found).encoder

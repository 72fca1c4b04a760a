"""``relstitch stitch``: every decoder on every encoder."""

from pathlib import Path
from typing import Annotated, Any

import typer

from relstitch.cli import options as shared
from relstitch.cli.reading import check_one_form, display_names, distinct_names, open_spaces, read_label_map
from relstitch.names import DecoderName, MethodName, ProjectionName

_ROWS, _HOW, _GATES = "Which rows", "How it is measured", "Gates"


def stitch(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Embeddings files (with --anchors) or relative files, one an encoder.", show_default=False
        ),
    ] = None,
    anchors: Annotated[
        Path | None, typer.Option("--anchors", "-a", help="Anchors file, for embeddings files.")
    ] = None,
    train: Annotated[
        Path | None,
        typer.Option("--train", help="One decoder, from this file's training rows …", rich_help_panel=_ROWS),
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option("--test", help="… and one encoder, on this file's test rows.", rich_help_panel=_ROWS),
    ] = None,
    train_side: Annotated[
        str | None, typer.Option("--train-side", help="Side of parallel anchors of --train.", rich_help_panel=_ROWS)
    ] = None,
    test_side: Annotated[
        str | None, typer.Option("--test-side", help="Side of parallel anchors of --test.", rich_help_panel=_ROWS)
    ] = None,
    train_split: Annotated[
        str, typer.Option("--train-split", help="Split to train on.", rich_help_panel=_ROWS)
    ] = "train",
    test_split: Annotated[str, typer.Option("--test-split", help="Split to score.", rich_help_panel=_ROWS)] = "test",
    label_map: Annotated[
        Path | None,
        typer.Option("--label-map", help="JSON object: class name → the name to read it as.", rich_help_panel=_ROWS),
    ] = None,
    strict: shared.Strict = False,
    decoder: Annotated[
        DecoderName, typer.Option("--decoder", "-d", help="What learns the task.", rich_help_panel=_HOW)
    ] = ("logistic"),
    strength: Annotated[
        float | None,
        typer.Option(
            "--strength",
            help="C of logistic and svm, penalty of ridge, neighbours of knn; default: chosen on held-out anchors.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    method: Annotated[
        MethodName,
        typer.Option(
            "--method",
            "-m",
            help="How the spaces meet: by similarities, by a translator, or as held-out anchors favour.",
            rich_help_panel=_HOW,
        ),
    ] = "relative",
    projection: Annotated[
        ProjectionName, typer.Option("--projection", "-p", help="Similarity to the anchors.", rich_help_panel=_HOW)
    ] = "cosine",
    center: Annotated[
        bool | None,
        typer.Option("--center/--no-center", help="Only one form; default: both side by side.", rich_help_panel=_HOW),
    ] = None,
    k: Annotated[int | None, typer.Option("-k", min=1, help="Use the first K anchors.", rich_help_panel=_HOW)] = None,
    draws: Annotated[
        int | None,
        typer.Option(
            "--draws", min=1, help="Anchor draws; more than the file holds are drawn anew.", rich_help_panel=_HOW
        ),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Decoder seeds: 0 … N-1.", rich_help_panel=_HOW)] = 1,
    absolute: Annotated[
        bool, typer.Option("--absolute/--no-absolute", help="The absolute baseline beside it.", rich_help_panel=_HOW)
    ] = True,
    transductive: Annotated[
        bool,
        typer.Option(
            "--transductive",
            help="Also the published protocol, which uses test-set statistics (mlp).",
            rich_help_panel=_HOW,
        ),
    ] = False,
    save_decoder: Annotated[
        Path | None, typer.Option("--save-decoder", help="Keep the first file's decoder (.safetensors).")
    ] = None,
    min_accuracy: Annotated[
        float | None,
        typer.Option("--min-accuracy", help="Exit 1 if a stitched pair scores below this.", rich_help_panel=_GATES),
    ] = None,
    min_retention: Annotated[
        float | None,
        typer.Option(
            "--min-retention", help="Exit 1 if a stitched pair retains less than this.", rich_help_panel=_GATES
        ),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="The table as Markdown.")] = False,
    force: shared.Force = False,
    json: shared.Json = False,
) -> None:
    """Stitch every decoder to every encoder and read the zero-shot accuracy.

    The table gives decoders in rows and encoders beside them: absolute embeddings, relative representations centred
    on the anchors' mean, and as in the paper.
    """
    from relstitch import storage
    from relstitch.errors import UsageError
    from relstitch.report import tell
    from relstitch.stitching import StitchOptions, check_gate_values, check_gates, decoder_of, stitch_pair
    from relstitch.stitching import stitch as run

    check_one_form(json=json, markdown=markdown)
    if save_decoder is not None and method != "relative":
        raise UsageError(
            f"--save-decoder keeps a decoder of relative representations; --method {method} carries the rows another "
            "way. Leave one of the two out."
        )
    check_gate_values(min_accuracy=min_accuracy, min_retention=min_retention)
    named, given = _named_files(files, train, test)
    if save_decoder is not None:
        storage.check_output(save_decoder, force=force, inputs=given)
    options = StitchOptions(
        method=decoder, way=method, strength=strength, projection=projection, center=center, k=k, draws=draws,
        seeds=tuple(range(seeds)), absolute=absolute, transductive=transductive, train_split=train_split,
        test_split=test_split, train_side=train_side, test_side=test_side, strict=strict,
        label_map=read_label_map(label_map),
    )  # fmt: skip
    lists = None if anchors is None else storage.load_anchors(anchors)
    spaces = open_spaces(named)
    if train is not None:
        first, second = spaces.items()
        report = stitch_pair(first, second, lists, options)
    else:
        report = run(spaces, lists, options)
    if save_decoder is not None:
        own = next(iter(spaces))
        made = decoder_of(own, spaces, lists, options, pair=train is not None)
        storage.save(made, save_decoder, force=force, inputs=given)
        tell(f"Wrote {save_decoder}: the decoder of {own}, for the representations of {', '.join(spaces)}.")
    _show(report, json=json, markdown=markdown)
    check_gates(report, min_accuracy=min_accuracy, min_retention=min_retention)


def _named_files(
    files: list[Path] | None, train: Path | None, test: Path | None
) -> tuple[dict[str, Path], list[Path]]:
    from relstitch.errors import UsageError

    pair = [path for path in (train, test) if path is not None]
    if len(pair) == 1 or (pair and files):
        raise UsageError("Give either two or more FILEs, or --train FILE with --test FILE.")
    given = pair or files or []
    if len(given) < 2:
        raise UsageError(f"A stitch needs at least two files, one an encoder; {len(given)} given.")
    if len({path.resolve() for path in given}) < len(given) and not pair:
        raise UsageError("The same file was given twice; a stitch needs a file for each encoder.")
    # The two files of a pair may be one file twice: then their parts tell them apart.
    same = pair and len(set(display_names(given))) < 2
    names = ["train", "test"] if same else distinct_names(given)
    return dict(zip(names, given, strict=True)), given


def _show(report: Any, *, json: bool, markdown: bool) -> None:
    from relstitch import report as shown

    if json:
        shown.show_json(report.to_json())
    elif markdown:
        typer.echo(shown.markdown(report), nl=False)
    else:
        shown.show_stitch(report)

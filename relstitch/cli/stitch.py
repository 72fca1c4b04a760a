"""``relstitch stitch``: every decoder on every encoder."""

from pathlib import Path
from typing import Annotated, Any

import typer

from relstitch.cli import options as shared
from relstitch.cli.reading import check_one_form, display_names, distinct_names, open_spaces, read_label_map
from relstitch.cli.stitch_ready import ReadyGiven, check_ready, open_ready
from relstitch.cli.stitch_targets import GoalGiven, check_goal, check_pictures, open_targets, write_pictures
from relstitch.names import DECODERS, InputForm, MethodName, TaskName, WeightsLayout

_ROWS, _HOW, _READY, _GATES = "Which rows", "How it is measured", "A decoder that is trained already", "Gates"
_BACK = "A decoder that gives something back"


def stitch(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Embeddings files (with --anchors) or relative files, one per encoder.", show_default=False
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
        str | None,
        typer.Option(
            "--decoder",
            "-d",
            metavar="NAME|FILE",
            help=f"What learns the task ({', '.join(DECODERS)}), or a decoder that is trained already; default: "
            "logistic, and ridge to reconstruct.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            "--strength",
            help="C of logistic and svm, penalty of ridge, neighbours of knn; default: chosen on held-out anchors.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    method: Annotated[
        MethodName | None,
        typer.Option(
            "--method",
            "-m",
            help="How the spaces meet: by similarities, by a translator, or as held-out anchors favour; default: "
            "relative, and auto for a decoder FILE.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    projection: Annotated[
        str, typer.Option("--projection", "-p", help=shared.PROJECTION_HELP, rich_help_panel=_HOW)
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
    decoder_of: Annotated[
        str | None,
        typer.Option(
            "--decoder-of",
            help="Whose decoder FILE is: one of the files; default: the encoder it names, else the one of its width.",
            rich_help_panel=_READY,
        ),
    ] = None,
    input_: Annotated[
        InputForm | None,
        typer.Option(
            "--input",
            help="Form in which it was given its rows: as the encoder gives them, at length 1, or by mean and scale.",
            rich_help_panel=_READY,
        ),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            "--classes",
            help="Its class names in the order of its outputs: a JSON list, or one per line.",
            rich_help_panel=_READY,
        ),
    ] = None,
    weights_layout: Annotated[
        WeightsLayout | None,
        typer.Option(
            "--weights-layout",
            help="What a row of its weights is, where their shape does not tell: an output, or an input.",
            rich_help_panel=_READY,
        ),
    ] = None,
    task: Annotated[
        TaskName,
        typer.Option(
            "--task",
            help="labels: what the files hold, classes or numbers. reconstruct: pictures or real values.",
            rich_help_panel=_BACK,
        ),
    ] = "labels",
    targets: Annotated[
        list[str] | None,
        typer.Option(
            "--targets",
            metavar="SOURCE",
            help="What is reconstructed, by id: pictures (the source that was encoded, say), .npy, .npz or an "
            "embeddings file (repeatable, as sources of encode); default: the numbers the files hold.",
            rich_help_panel=_BACK,
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            "--size", min=1, help="Pictures are scaled to SIZE × SIZE pixels; default: 32.", rich_help_panel=_BACK
        ),
    ] = None,
    grey: Annotated[bool, typer.Option("--grey", help="Pictures in grey.", rich_help_panel=_BACK)] = False,
    pictures: Annotated[
        Path | None,
        typer.Option(
            "--pictures",
            help="Draw originals, own decoder and stitched ones to this file (.png).",
            rich_help_panel=_BACK,
        ),
    ] = None,
    save_decoder: Annotated[
        Path | None,
        typer.Option(
            "--save-decoder",
            help="Keep the first file's decoder (.safetensors): of its representations, or, where --method carries "
            "rows, of its absolute embeddings.",
        ),
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
    max_mse: Annotated[
        float | None,
        typer.Option(
            "--max-mse",
            help="Exit 1 if a stitched pair's mean squared error is above this (pixels from 0 to 1).",
            rich_help_panel=_GATES,
        ),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="The table as Markdown.")] = False,
    force: shared.Force = False,
    json: shared.Json = False,
) -> None:
    """Stitch every decoder to every encoder and read the zero-shot accuracy.

    The table gives decoders in rows and encoders beside them: absolute embeddings, relative representations centred
    on the anchors' mean, and as in the paper. With a decoder FILE nothing is trained: its own encoder's file is among
    FILES, and the other encoders' rows are carried to its space. With --task reconstruct decoders draw the pictures
    (or give the values) of --targets, and the table gives their mean squared error (or R²).
    """
    from relstitch import storage
    from relstitch.report import tell
    from relstitch.stitching import StitchOptions, check_gate_values, check_gates

    check_one_form(json=json, markdown=markdown)
    goal = GoalGiven(task, tuple(targets or ()), size, grey, pictures)
    decoder = decoder or ("ridge" if task == "reconstruct" else "logistic")
    ready = ReadyGiven(decoder, decoder_of, input_, classes, weights_layout)
    check_ready(ready, {"--strength": strength is not None, "--projection": projection != "cosine",
                        "--center": center is not None, "--seeds": seeds != 1, "--transductive": transductive,
                        "--save-decoder": save_decoder is not None})  # fmt: skip
    check_gate_values(min_accuracy=min_accuracy, min_retention=min_retention, max_mse=max_mse)
    named, given = _named_files(files, train, test)
    if save_decoder is not None:
        storage.check_output(save_decoder, force=force, inputs=given)
    check_goal(goal, given, ready=ready.ready, force=force)
    renamed = read_label_map(label_map)
    lists = None if anchors is None else storage.load_anchors(anchors)
    spaces = open_spaces(named)
    goals = open_targets(goal, spaces)
    check_pictures(goal, goals, spaces)
    options = StitchOptions(
        method="logistic" if ready.ready else decoder, way=method or ("auto" if ready.ready else "relative"),
        strength=strength, projection=projection, center=center, k=k, draws=draws,
        seeds=tuple(range(seeds)), absolute=absolute, transductive=transductive, train_split=train_split,
        test_split=test_split, train_side=train_side, test_side=test_side, strict=strict,
        label_map=renamed, task=task, targets=goals,
    )  # fmt: skip
    report = _stitched(spaces, lists, options, pair=train is not None, ready=(ready, named))
    if save_decoder is not None:
        made, words = _kept(save_decoder, spaces, lists, options, pair=train is not None)
        storage.save(made, save_decoder, force=force, inputs=given)
        tell(words)
    if pictures is not None:
        write_pictures(report, pictures)
    _show(report, json=json, markdown=markdown)
    check_gates(report, min_accuracy=min_accuracy, min_retention=min_retention, max_mse=max_mse)


def _stitched(
    spaces: dict[str, Any], lists: Any, options: Any, *, pair: bool, ready: tuple[ReadyGiven, dict[str, Path]]
) -> Any:
    from relstitch.stitching import stitch, stitch_pair
    from relstitch.stitching.ready import stitch_ready

    given, named = ready
    if given.ready:
        decoder, own = open_ready(given, spaces, {path.as_posix(): name for name, path in named.items()})
        return stitch_ready(decoder, own, spaces, lists, options, pair=pair)
    if pair:
        first, second = spaces.items()
        return stitch_pair(first, second, lists, options)
    return stitch(spaces, lists, options)


def _kept(path: Path, spaces: dict[str, Any], lists: Any, options: Any, *, pair: bool) -> tuple[Any, str]:
    """The first file's decoder, and a word on what it reads."""
    from relstitch.stitching import decoder_of
    from relstitch.stitching.ready import absolute_decoder_of

    own = next(iter(spaces))
    if options.way == "relative":
        made = decoder_of(own, spaces, lists, options, pair=pair)
        words = f"for the representations of {', '.join(spaces)}"
    else:
        made = absolute_decoder_of(own, spaces, lists, options, pair=pair)
        words = f"for its absolute embeddings; stitch --decoder {path} brings it to other encoders"
    return made, f"Wrote {path}: the decoder of {own}, {words}."


def _named_files(
    files: list[Path] | None, train: Path | None, test: Path | None
) -> tuple[dict[str, Path], list[Path]]:
    from relstitch.errors import UsageError

    pair = [path for path in (train, test) if path is not None]
    if len(pair) == 1 or (pair and files):
        raise UsageError("Give either two or more FILEs, or --train FILE with --test FILE.")
    given = pair or files or []
    if len(given) < 2:
        raise UsageError(f"A stitch needs at least two files, one per encoder; {len(given)} given.")
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

"""``relstitch advise``: what a stitch will be worth, before it can be measured."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from relstitch.cli import options as shared
from relstitch.names import DecoderName, TranslatorName

_ROWS, _HOW, _GATES = "Which rows", "How they will meet", "Gates"


def advise(
    source: Annotated[
        Path, typer.Argument(help="Embeddings whose rows are to be answered; no labels needed.", show_default=False)
    ],
    target: Annotated[
        Path, typer.Argument(help="Embeddings of the encoder whose decoder or index answers.", show_default=False)
    ],
    anchors: Annotated[Path, typer.Option("--anchors", "-a", help="Anchors file.", show_default=False)],
    recall: Annotated[
        bool, typer.Option("--recall", help="Forecast recall@1 even if TARGET has labels.", rich_help_panel=_HOW)
    ] = False,
    decoder: Annotated[
        DecoderName,
        typer.Option("--decoder", "-d", help="The decoder to be trained on TARGET.", rich_help_panel=_HOW),
    ] = "logistic",
    strength: Annotated[
        float | None,
        typer.Option(
            "--strength",
            help="The decoder's regularisation; default: chosen on held-out anchors.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    method: Annotated[
        Literal["auto", TranslatorName],
        typer.Option(
            "--method", "-m", help="A translator, or auto: what does best on held-out anchors.", rich_help_panel=_HOW
        ),
    ] = "auto",
    draw: Annotated[
        int,
        typer.Option("--draw", min=0, help="Which draw of the anchors file, counted from 0.", rich_help_panel=_HOW),
    ] = 0,
    k: Annotated[
        int | None, typer.Option("-k", min=1, help="Use the first K anchors; default: all.", rich_help_panel=_HOW)
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Seed of the folds and halves of the anchors.", rich_help_panel=_HOW)
    ] = 0,
    train_split: Annotated[
        str, typer.Option("--train-split", help="Split of TARGET to train on.", rich_help_panel=_ROWS)
    ] = "train",
    test_split: Annotated[
        str, typer.Option("--test-split", help="Split of SOURCE to be answered.", rich_help_panel=_ROWS)
    ] = "test",
    source_side: Annotated[
        str | None,
        typer.Option("--source-side", help="Which side of parallel anchors SOURCE holds.", rich_help_panel=_ROWS),
    ] = None,
    target_side: Annotated[
        str | None,
        typer.Option("--target-side", help="Which side of parallel anchors TARGET holds.", rich_help_panel=_ROWS),
    ] = None,
    min_accuracy: Annotated[
        float | None,
        typer.Option(
            "--min-accuracy", help="Exit 1 if the whole interval is below this (0 to 1).", rich_help_panel=_GATES
        ),
    ] = None,
    min_retention: Annotated[
        float | None,
        typer.Option(
            "--min-retention",
            help="Exit 1 if the whole interval is below this share of the ceiling.",
            rich_help_panel=_GATES,
        ),
    ] = None,
    min_recall: Annotated[
        float | None,
        typer.Option(
            "--min-recall",
            help="Forecast recall@1; exit 1 if its whole interval is below this.",
            rich_help_panel=_GATES,
        ),
    ] = None,
    json: shared.Json = False,
) -> None:
    """Forecast how well TARGET's decoder will answer SOURCE's rows, without their labels: go, undecided or no-go.

    Where TARGET has no labels either: recall@1, how often SOURCE's rows will find themselves among TARGET's.
    """
    from relstitch.forecasting import AdviseOptions, Gates
    from relstitch.forecasting import advise as run

    gates = Gates(min_accuracy, min_retention, min_recall)
    gates.check()
    options = AdviseOptions(
        recall=recall, decoder=decoder, strength=strength, way=method, train_split=train_split, test_split=test_split,
        seed=seed, gates=gates,
    )  # fmt: skip
    sides = _sides((source, target), (source_side, target_side), anchors, draw=draw, k=k)
    forecast = run(sides[0], sides[1], options)
    _show(forecast, json=json)
    if forecast.verdict == "no-go" and forecast.settings["gate"] is not None:
        _fail(forecast)


def _sides(
    files: tuple[Path, Path], named: tuple[str | None, str | None], anchors: Path, *, draw: int, k: int | None
) -> list[Any]:
    from relstitch import storage
    from relstitch.cli.reading import distinct_names
    from relstitch.cli.translate_reading import anchors_in, open_embeddings
    from relstitch.forecasting import Side

    lists = storage.load_anchors(anchors)
    lists = lists if k is None else lists.prefix(k)
    sides = []
    for name, path, side in zip(distinct_names(files), files, named, strict=True):
        space = open_embeddings(path)
        sides.append(Side(name, space, anchors_in(space, path, lists, draw=draw, side=side)))
    return sides


def _show(forecast: Any, *, json: bool) -> None:
    from relstitch.report import show_json
    from relstitch.report.advise_table import show_forecast

    if json:
        show_json(forecast.to_json())
    else:
        show_forecast(forecast)


def _fail(forecast: Any) -> None:
    from relstitch.errors import GateError

    raise GateError(
        f"Gate failed: the {forecast.quantity} of {forecast.source} in {forecast.target} is forecast as "
        f"{forecast.value:.4f} ({forecast.low:.4f} to {forecast.high:.4f}); at least "
        f"{forecast.settings['gate']:.4f} was asked for."
    )

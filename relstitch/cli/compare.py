"""``relstitch compare``: how alike the spaces of several files are."""

from pathlib import Path
from typing import Annotated, Any

import typer

from relstitch.cli import options as shared
from relstitch.cli.reading import check_one_form, distinct_names, open_spaces
from relstitch.names import MEASURES


def compare(
    files: Annotated[
        list[Path],
        typer.Argument(help="Two or more embeddings files, or relative files, one per encoder.", show_default=False),
    ],
    anchors: Annotated[
        Path | None,
        typer.Option("--anchors", "-a", help="Anchors file: also compare embeddings as relative representations."),
    ] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(
            "--measure",
            "-m",
            help=f"Only this one (repeatable): {', '.join(MEASURES)}; default: all that the files allow.",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference", help="Compare every file with this one only (its path or its name in the table)."
        ),
    ] = None,
    neighbours: Annotated[
        int, typer.Option("--neighbours", "-k", min=1, help="Neighbours counted by mutual-knn and jaccard.")
    ] = 10,
    permutations: Annotated[
        int, typer.Option("--permutations", min=0, help="Shuffles of rows that show what chance gives; 0 for none.")
    ] = 50,
    bootstrap: Annotated[
        int, typer.Option("--bootstrap", min=0, help="Draws of rows for each 90% interval; 0 for none.")
    ] = 100,
    limit: Annotated[
        int,
        typer.Option("--limit", min=8, help="Rows sampled for rsa, mutual-knn, jaccard, mrr and the intervals."),
    ] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the sample, the shuffles and the draws.")] = 0,
    strict: shared.Strict = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="The table as Markdown.")] = False,
    json: shared.Json = False,
) -> None:
    """Compare spaces: how alike they are, what chance would give, and how certain each figure is.

    Every value is 1 for equal spaces, and higher is more alike.
    cka, svcca, rsa, procrustes and mutual-knn ignore rotation and scale of a space.
    jaccard, mrr and cosine compare relative representations.
    """
    from relstitch import storage
    from relstitch.comparison import CompareOptions
    from relstitch.comparison import compare as run
    from relstitch.report import progress

    check_one_form(json=json, markdown=markdown)
    names = _names(files)
    lists = None if anchors is None else storage.load_anchors(anchors)
    spaces = open_spaces(dict(zip(names, files, strict=True)))
    by_path = {path.resolve(): name for name, path in zip(names, files, strict=True)}
    with progress("Comparing", unit="figures") as advance:
        options = CompareOptions(
            measures=tuple(measure or ()), neighbours=neighbours, permutations=permutations, bootstrap=bootstrap,
            limit=limit, reference=None if reference is None else by_path.get(Path(reference).resolve(), reference),
            seed=seed, strict=strict, progress=advance,
        )  # fmt: skip
        report = run(spaces, lists, options)
    _show(report, json=json, markdown=markdown)


def _names(files: list[Path]) -> list[str]:
    from relstitch.errors import UsageError

    if len({path.resolve() for path in files}) < len(files):
        raise UsageError("The same file was given twice; a comparison needs a file for each space.")
    return distinct_names(files)


def _show(report: Any, *, json: bool, markdown: bool) -> None:
    from relstitch.report import show_json
    from relstitch.report.compare_table import compare_markdown, show_compare

    if json:
        show_json(report.to_json())
    elif markdown:
        typer.echo(compare_markdown(report), nl=False)
    else:
        show_compare(report)

"""``relstitch translate``: one encoder's rows, carried to where another's index or decoder can use them."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from relstitch.cli import options as shared
from relstitch.cli.translate_apply import apply
from relstitch.cli.translate_reading import anchors_in, open_embeddings, pair_of, read_params
from relstitch.names import TranslatorName

translate = typer.Typer(
    help="Carry the rows of one encoder to the space of another: fit a translator on anchors, apply it, evaluate it.",
    no_args_is_help=True,
)
_HOW = "How it is fitted"

Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write (.safetensors).", show_default=False)]
AnchorsFile = Annotated[
    Path, typer.Option("--anchors", "-a", help="Anchors file: the samples to fit on.", show_default=False)
]
Draw = Annotated[
    int, typer.Option("--draw", min=0, help="Which draw of the anchors file, counted from 0.", rich_help_panel=_HOW)
]
K = Annotated[
    int | None, typer.Option("-k", min=1, help="Use the first K anchors; default: all.", rich_help_panel=_HOW)
]


@translate.command()
def fit(
    source: Annotated[Path, typer.Argument(help="Embeddings of the encoder to carry from.", show_default=False)],
    target: Annotated[Path, typer.Argument(help="Embeddings of the encoder to carry to.", show_default=False)],
    anchors: AnchorsFile,
    output: Output,
    method: Annotated[
        Literal["auto", TranslatorName],
        typer.Option(
            "--method", "-m", help="A translator, or auto: what does best on held-out anchors.", rich_help_panel=_HOW
        ),
    ] = "auto",
    one_sided: Annotated[
        bool,
        typer.Option(
            "--one-sided",
            help="Only methods that leave the target's rows as they are, so that its index or decoder keeps working.",
            rich_help_panel=_HOW,
        ),
    ] = False,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            help="A parameter of the method, NAME=VALUE (repeatable), e.g. penalty=0.1.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    draw: Draw = 0,
    k: K = None,
    source_side: Annotated[
        str | None,
        typer.Option("--source-side", help="Which side of parallel anchors SOURCE holds.", rich_help_panel=_HOW),
    ] = None,
    target_side: Annotated[
        str | None,
        typer.Option("--target-side", help="Which side of parallel anchors TARGET holds.", rich_help_panel=_HOW),
    ] = None,
    force: shared.Force = False,
    json: shared.Json = False,
) -> None:
    """Fit a translator from SOURCE's encoder to TARGET's, on the anchors that both files hold."""
    from relstitch import storage
    from relstitch.report import tell
    from relstitch.translation import fit_translator, is_two_sided

    storage.check_output(output, force=force, inputs=(source, target, anchors))
    params = read_params(param or ())
    lists = storage.load_anchors(anchors)
    lists = lists if k is None else lists.prefix(k)
    spaces = [open_embeddings(path) for path in (source, target)]
    sides = [
        anchors_in(space, path, lists, draw=draw, side=side)
        for space, path, side in zip(spaces, (source, target), (source_side, target_side), strict=True)
    ]
    _check_ends((source, target), spaces, sides)
    choice = _choose(method, params, (sides[0], sides[1]), spaces[1], one_sided=one_sided)
    made = fit_translator(sides[0], sides[1], (spaces[0].encoder, spaces[1].encoder), choice.settings)
    storage.save(_told(made, choice), output, force=force, inputs=(source, target, anchors))
    _show_fit(made, choice, output, json=json)
    if is_two_sided(made):
        tell(
            f"{made.method} is two-sided: the target's rows must be carried too (apply --side target). For an index "
            "or decoder that stays as it is, fit with --one-sided."
        )


def _check_ends(paths: tuple[Path, Path], spaces: list[Any], sides: list[Any]) -> None:
    """Refuse one encoder's anchors met with themselves; two sides of parallel anchors may be one encoder's.

    Rows that were carried already are named: a translator of them is one of the other encoder in disguise.
    """
    from relstitch.artifacts.stamps import CARRIED_FROM
    from relstitch.errors import UsageError
    from relstitch.report import tell

    one, other = (space.encoder for space in spaces)
    if one.identity == other.identity and sides[0].anchors == sides[1].anchors:
        raise UsageError(
            f"{paths[0]} and {paths[1]} are of the same encoder ({one.spec}) and hold the same anchors: there is "
            "nothing to carry over. Give the embeddings of two encoders."
        )
    _compare_labels(paths, spaces, sides)
    for path, space in zip(paths, spaces, strict=True):
        if CARRIED_FROM in space.encoder.extra:
            tell(
                f"The rows of {path} are not those of {space.encoder.spec} itself: they were carried there from "
                f"{space.encoder.extra[CARRIED_FROM].get('encoder')}. The translator is fitted on them as they are."
            )


def _compare_labels(paths: tuple[Path, Path], spaces: list[Any], sides: list[Any]) -> None:
    """One id in two files is one item, unless the files are of different data: then their labels rarely agree."""
    from relstitch.errors import counted
    from relstitch.meeting import anchor_of
    from relstitch.report import tell

    if any(space.rows.targets is None or space.rows.targets.kind != "class" for space in spaces):
        return
    labels: list[dict[int, str]] = []
    for space, side in zip(spaces, sides, strict=True):
        found = zip(anchor_of(space.rows, side.anchors).tolist(), space.rows.targets.labels(), strict=True)
        labels.append({at: label for at, label in found if at >= 0 and label is not None})
    shared = sorted(set(labels[0]) & set(labels[1]))
    odd = [at for at in shared if labels[0][at] != labels[1][at]]
    if odd:
        tell(
            f"{len(odd)} of {counted(len(shared), 'anchor')} {'has' if len(odd) == 1 else 'have'} other labels in "
            f"{paths[0]} than in {paths[1]}: {sides[0].anchors.ids[odd[0]]!r} is {labels[0][odd[0]]!r} there and "
            f"{labels[1][odd[0]]!r} here. Check that both files are of the same data: ids that only look the same "
            "make pairs that are none."
        )


def _choose(method: str, params: dict[str, Any], sides: tuple[Any, Any], target: Any, *, one_sided: bool) -> Any:
    """The settings of the method that was named; of ``auto``, what finds most held-out anchors."""
    from relstitch.choosing import TRANSLATOR_CANDIDATES, TranslatorChoice, choose_translator
    from relstitch.errors import UsageError
    from relstitch.translation import TRANSLATORS, TranslatorSettings

    if method != "auto":
        if one_sided and TRANSLATORS[method].two_sided:
            raise UsageError(
                f"{method} is two-sided, and --one-sided was asked for; take a one-sided method, such as kernel, or "
                "auto."
            )
        return TranslatorChoice(TranslatorSettings(method, params), "given")
    if params:
        raise UsageError(
            f"--param {next(iter(params))} is for a method that is named; auto chooses its own. Name one with "
            "--method."
        )
    offered = {
        name: settings
        for name, settings in TRANSLATOR_CANDIDATES.items()
        if not (one_sided and TRANSLATORS[settings.method].two_sided)
    }
    others = target.vectors[~target.rows.in_splits("test")]
    return choose_translator(sides[0].vectors, sides[1].vectors, candidates=offered, target_rows=others)


def _told(made: Any, choice: Any) -> Any:
    """The translator, with how it was chosen."""
    from dataclasses import replace

    chosen = {"chosen_on": choice.how, **({"held_out": dict(choice.scores)} if choice.scores else {})}
    return replace(made, settings={**made.settings, **chosen})


def _show_fit(made: Any, choice: Any, output: Path, *, json: bool) -> None:
    from relstitch.report import show_facts, show_json, tell
    from relstitch.translation import is_two_sided

    facts = {
        "method": made.method, "settings": dict(made.settings), "chosen on": choice.how,
        "from": f"{made.source.spec}, {made.source.dimension} wide",
        "to": f"{made.target.spec}, {made.target.dimension} wide", "anchors": len(made.anchors[0].anchors),
        "two-sided": is_two_sided(made), "width of carried rows": made.width,
    }  # fmt: skip
    if json:
        held_out = dict(choice.scores)
        show_json({"output": str(output), **{k.replace(" ", "_"): v for k, v in facts.items()}, "held_out": held_out})
        return
    show_facts("Translator", _in_words(facts, choice))
    tell(f"Wrote {output}: {made.method}, from {made.source.spec} to {made.target.spec}.")


def _in_words(facts: dict[str, Any], choice: Any) -> dict[str, Any]:
    """The same for eyes: the settings on one level, and every candidate's score with the name of its measure."""
    settings = {name: value for name, value in facts["settings"].items() if value is not None}
    fitted = {f"fitted {name}": value for name, value in settings.pop("fitted", {}).items()}
    by = {"given": "--method", "held-out anchors": "MRR of held-out anchors (1 is best)"}.get(choice.how, choice.how)
    told = {"chosen by" if name == "chosen on" else name: value for name, value in facts.items()}
    scores = {f"held-out MRR, {name}": score for name, score in choice.scores.items()}
    return {**told, "settings": {**settings, **fitted}, "chosen by": by, **scores}


translate.command()(apply)


@translate.command()
def evaluate(
    translator: Annotated[Path, typer.Argument(help="A translator file or a hub file.", show_default=False)],
    source: Annotated[Path, typer.Argument(help="Embeddings of the translator's source.", show_default=False)],
    target: Annotated[Path, typer.Argument(help="Embeddings of the translator's target.", show_default=False)],
    neighbours: Annotated[
        list[int] | None,
        typer.Option("--neighbours", "-n", min=1, help="The n of recall@n (repeatable); default: 1, 10."),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Split to look up; default: test, or every row if there is none.")
    ] = None,
    json: shared.Json = False,
) -> None:
    """Let rows of SOURCE look for themselves among the rows of TARGET, both through the translator.

    recall@n: the share that find themselves among the n nearest. MRR: the mean of 1 ÷ rank.
    Both go from 0 to 1, and higher is better.
    Rows that are anchors take no part.
    """
    from relstitch.report import show_facts, show_json, tell
    from relstitch.translation import EvaluateOptions, evaluate_translator

    spaces = [open_embeddings(path) for path in (source, target)]
    found = _of_pair(translator, spaces[0].encoder, spaces[1].encoder)
    options = EvaluateOptions(tuple(neighbours or (1, 10)), split, (str(source), str(target)))
    result = evaluate_translator(found, spaces[0], spaces[1], options)
    if json:
        show_json({"translator": str(translator), "method": found.method, **result.to_json()})
        return
    shares = {f"recall@{n}": share for n, share in result.recall.items()}
    figures = {"MRR": result.mrr, "mean cosine to own row": result.mean_cosine}
    counts = {"queries": result.queries, "candidates": result.candidates}
    show_facts(f"{found.method}, {found.source.spec} to {found.target.spec}", {**shares, **figures, **counts})
    for note in result.notes:
        tell(note)


def _of_pair(path: Path, source: Any, target: Any) -> Any:
    """A translator; out of a hub, that of the two encoders."""
    from relstitch import storage
    from relstitch.artifacts import Hub

    found = storage.load_map(path)
    return pair_of(found, source, target, path) if isinstance(found, Hub) else found


@translate.command()
def compose(
    first: Annotated[Path, typer.Argument(help="A translator from A to B.", show_default=False)],
    second: Annotated[Path, typer.Argument(help="A translator from B to C.", show_default=False)],
    output: Output,
    force: shared.Force = False,
    json: shared.Json = False,
) -> None:
    """Make one translator from A to C out of one from A to B and one from B to C."""
    from relstitch import storage
    from relstitch.report import show_json, tell
    from relstitch.translation import compose as run

    storage.check_output(output, force=force, inputs=(first, second))
    made = run(storage.load_translator(first), storage.load_translator(second))
    storage.save(made, output, force=force, inputs=(first, second))
    places = [stamp.spec for stamp in (made.source, *made.through, made.target)]
    if json:
        through = {"from": places[0], "through": places[1:-1], "to": places[-1]}
        show_json({"output": str(output), "method": made.method, **through, "width": made.width})
        return
    tell(f"Wrote {output}: {made.method}, from {' to '.join(places)}.")


@translate.command()
def hub(
    files: Annotated[
        list[Path], typer.Argument(help="Embeddings files, one per encoder; two or more.", show_default=False)
    ],
    anchors: AnchorsFile,
    output: Output,
    draw: Draw = 0,
    k: K = None,
    force: shared.Force = False,
    json: shared.Json = False,
) -> None:
    """Join several encoders in one space, with one map each, by generalised Procrustes.

    evaluate and apply take the file as a translator between any two of its encoders.
    """
    from relstitch import storage
    from relstitch.report import show_facts, show_json, tell
    from relstitch.translation import fit_hub

    storage.check_output(output, force=force, inputs=(*files, anchors))
    lists = storage.load_anchors(anchors)
    lists = lists if k is None else lists.prefix(k)
    spaces = [open_embeddings(path) for path in files]
    found = [anchors_in(space, path, lists, draw=draw, side=None) for space, path in zip(spaces, files, strict=True)]
    for path, space, side in zip(files[1:], spaces[1:], found[1:], strict=True):
        _compare_labels((files[0], path), [spaces[0], space], [found[0], side])
    made = fit_hub(found, [space.encoder for space in spaces])
    storage.save(made, output, force=force, inputs=(*files, anchors))
    facts = {"encoders": [stamp.spec for stamp, _ in made.encoders], **made.settings}
    if json:
        show_json({"output": str(output), **facts})
        return
    words = {"k": "anchors", "turns": "iterations"}
    show_facts("Hub", {words.get(name, name): value for name, value in facts.items()})
    tell(f"Wrote {output}: {len(made.encoders)} encoders, {made.settings['width']} wide.")

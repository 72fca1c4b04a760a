"""What stitching matrices of frozen encoders say: tables beside the paper's, and what should hold."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from relstitch.artifacts.experiments import Measured, Pattern, ResultRow, ResultTable, measured
from relstitch.experiments.matrices import AUTO, METRICS, Matrix

Paper = Mapping[tuple[str, str, str], tuple[str | None, str | None]]
"""(data set, representation, protocol) → weighted F1 as printed: not stitched, stitched."""

ABSOLUTE, PLAIN, CENTRED = "absolute", "relative, not centred", "relative, centred"
PUBLISHED, INDUCTIVE = "transductive", "inductive"
_FORMS: Mapping[tuple[str, str], str] = {
    (ABSOLUTE, PUBLISHED): "absolute, transductive",
    (ABSOLUTE, INDUCTIVE): "absolute",
    (PLAIN, PUBLISHED): "relative, paper, transductive",
    (PLAIN, INDUCTIVE): "relative, paper",
    (CENTRED, PUBLISHED): "relative, transductive",
    (CENTRED, INDUCTIVE): "relative",
    ("--method auto", INDUCTIVE): AUTO,
}
_SHOWN = ((PLAIN, PUBLISHED), (PLAIN, INDUCTIVE), (CENTRED, INDUCTIVE), ("--method auto", INDUCTIVE))
"""Representations and protocols of the table of pairs."""
_TIMES, _HALF, _COST = 1.5, 0.5, 0.07


def summary_table(made: Sequence[Matrix], title: str, paper: Paper) -> ResultTable:
    """Every representation and protocol, over all encoders and all ordered pairs; in percent.

    Args:
        made: Ours; none of a data set that was not there.
        title: Of the table.
        paper: The paper's; a row is made for each, also where ours is missing.
    """
    ours = {matrix.source.name: matrix for matrix in made}
    rows = []
    for name in dict.fromkeys([*ours, *(name for name, _, _ in paper)]):
        for (kind, protocol), form in _FORMS.items():
            printed = paper.get((name, kind, protocol))
            figures = _figures(ours[name], form) if name in ours else (None,) * 4
            if printed is None and not any(figures):
                continue
            rows.append(ResultRow((name, kind, protocol), figures, (*(printed or (None, None)), None, None)))
    return ResultTable(
        title, ("data set", "representation", "protocol"),
        ("weighted F1, not stitched", "weighted F1, stitched", "accuracy, not stitched", "accuracy, stitched"),
        tuple(rows), runs="encoders or ordered pairs of them, each a mean over draws and seeds", digits=1,
    )  # fmt: skip


def _figures(matrix: Matrix, form: str) -> tuple[Measured | None, ...]:
    found = [values(form, metric) for metric in METRICS for values in (matrix.own, matrix.stitched)]
    return tuple(measured([100 * value for value in values]) if values else None for values in found)


def pairs_table(made: Sequence[Matrix], title: str, paper: Mapping[tuple[str, str, str], str]) -> ResultTable:
    """Every decoder on every encoder, weighted F1 in percent.

    Args:
        made: Ours.
        title: Of the table.
        paper: (data set, decoder, encoder) → the paper's figure for its own form and protocol.
    """
    rows = []
    for matrix in made:
        for decoder in matrix.encoders:
            for encoder in matrix.encoders:
                cells = [matrix.cells.get((_FORMS[shown], decoder, encoder), {}) for shown in _SHOWN]
                figures = tuple(
                    measured([100 * value for value in cell[METRICS[0]]]) if cell else None for cell in cells
                )
                rows.append(ResultRow((matrix.source.name, decoder, encoder), figures, (None,) * len(_SHOWN)))
    rows += [ResultRow(setting, (None,) * len(_SHOWN), (said, None, None, None)) for setting, said in paper.items()]
    return ResultTable(
        title, ("data set", "decoder", "encoder"), tuple(f"{kind}, {protocol}" for kind, protocol in _SHOWN),
        tuple(rows), runs="repetitions: anchor draws × decoder seeds", digits=1,
    )  # fmt: skip


def patterns_of(made: Sequence[Matrix]) -> tuple[Pattern, ...]:
    """What the paper's table shows, held against ours; the worst data set decides."""
    return (
        _above_absolute(made),
        _above_floor(made),
        _cheap(made),
        _higher(made, PLAIN, (PUBLISHED, INDUCTIVE), "the published protocol helps relative representations"),
        _centring_helps(made),
        *_auto_leads(made),
    )


def _above_absolute(made: Sequence[Matrix]) -> Pattern:
    claim = (
        f"relative, not centred, stitched is at least {_TIMES:g} times absolute, stitched (weighted F1, published "
        "protocol, pairs of one width)"
    )
    found = {}
    for matrix in (matrix for matrix in made if matrix.like_pairs):
        ours, absolute = (
            fmean(matrix.stitched(_FORMS[kind, PUBLISHED], METRICS[0], matrix.like_pairs))
            for kind in (PLAIN, ABSOLUTE)
        )
        found[matrix.source.name] = (ours / max(absolute, 1e-9), ours, absolute)
    if not found:
        return Pattern(claim, False, "no two encoders are of one width")
    name, (times, ours, absolute) = min(found.items(), key=lambda item: item[1][0])
    return Pattern(claim, times >= _TIMES, f"least on {name}: {100 * ours:.1f} against {100 * absolute:.1f}")


def _above_floor(made: Sequence[Matrix]) -> Pattern:
    def share(matrix: Matrix) -> float:
        stitched, own = (
            fmean(values(_FORMS[PLAIN, PUBLISHED], "accuracy")) for values in (matrix.stitched, matrix.own)
        )
        return (stitched - matrix.floor) / max(own - matrix.floor, 1e-9)

    worst = min(made, key=share)
    stitched = fmean(worst.stitched(_FORMS[PLAIN, PUBLISHED], "accuracy"))
    return Pattern(
        f"it keeps at least {_HALF:g} of what the decoder on its own encoder has above the floor (accuracy)",
        share(worst) >= _HALF,
        f"least on {worst.source.name}: {share(worst):.2f} ({100 * stitched:.1f}, floor {100 * worst.floor:.1f})",
    )


def _cheap(made: Sequence[Matrix]) -> Pattern:
    def cost(matrix: Matrix) -> float:
        absolute, ours = (fmean(matrix.own(_FORMS[kind, PUBLISHED], METRICS[0])) for kind in (ABSOLUTE, PLAIN))
        return absolute - ours

    worst = max(made, key=cost)
    return Pattern(
        f"not stitched, it costs at most {100 * _COST:.0f} points of weighted F1 against absolute (paper: up to 6.4)",
        cost(worst) <= _COST, f"most on {worst.source.name}: {100 * cost(worst):.1f} points",
    )  # fmt: skip


def _higher(made: Sequence[Matrix], kind: str, protocols: tuple[str, str], claim: str) -> Pattern:
    first, second = (_mean(made, _FORMS[kind, protocol]) for protocol in protocols)
    return Pattern(
        f"{claim}: {kind}, stitched is higher {protocols[0]} than {protocols[1]}, over all data sets",
        first > second, f"weighted F1 {100 * first:.1f} against {100 * second:.1f}",
    )  # fmt: skip


def _centring_helps(made: Sequence[Matrix]) -> Pattern:
    centred, plain = (_mean(made, _FORMS[kind, INDUCTIVE]) for kind in (CENTRED, PLAIN))
    return Pattern(
        "beyond the paper: centring does what the published protocol does, one row at a time: centred is higher than "
        "not centred, inductive, stitched, over all data sets",
        centred > plain, f"weighted F1 {100 * centred:.1f} against {100 * plain:.1f}",
    )  # fmt: skip


def _auto_leads(made: Sequence[Matrix]) -> list[Pattern]:
    if not all(matrix.stitched(AUTO, METRICS[0]) for matrix in made):
        return []
    auto, plain = _mean(made, AUTO), _mean(made, _FORMS[PLAIN, PUBLISHED])
    return [
        Pattern(
            "beyond the paper: --method auto, one row at a time, is higher than the paper's form with the published "
            "protocol, stitched, over all data sets",
            auto > plain,
            f"weighted F1 {100 * auto:.1f} against {100 * plain:.1f}",
        )
    ]


def _mean(made: Sequence[Matrix], form: str, metric: str = METRICS[0]) -> float:
    return fmean(fmean(matrix.stitched(form, metric)) for matrix in made)

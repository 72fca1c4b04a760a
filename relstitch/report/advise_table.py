"""A forecast in words for eyes, as TSV for pipes."""

from relstitch.artifacts.forecasts import Forecast
from relstitch.report.facts import show_facts
from relstitch.report.streams import tell

_EVIDENCE = {
    "held_out": "on held-out anchors", "held_out_halves": "on held-out anchors, fitted on half of them",
    "crossed": "on the target's rows, given what held-out anchors lose by crossing",
    "expected": "on the source's rows, estimated from decision margins",
    "agreement": "agreement of two halves of the anchors",
}  # fmt: skip
_ROWS = {
    "asked": "source rows to be answered", "train": "target rows trained on", "candidates": "target rows searched",
}  # fmt: skip


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def show_forecast(forecast: Forecast) -> None:
    """Show a forecast: named facts, the reasons beneath; TSV in a pipe, with the reasons on standard error."""
    kept = forecast.retention
    facts = {
        "verdict": forecast.verdict,
        f"{forecast.quantity}, {100 * forecast.level:.0f}% interval": _interval(
            forecast.value, forecast.low, forecast.high
        ),
        **({} if kept is None else {"retention": _interval(*kept)}),
        **({} if forecast.ceiling is None else {"ceiling": f"{forecast.ceiling:.3f}"}),
        "floor": f"{forecast.floor:.3f}",
        "way": forecast.way,
        **{
            f"evidence: {said}": f"{forecast.evidence[name]:.3f}"
            for name, said in _EVIDENCE.items()
            if name in forecast.evidence
        },
        **{_ROWS.get(name, name): str(count) for name, count in forecast.rows.items()},
    }
    show_facts(f"{forecast.source} → {forecast.target}", facts)
    for reason in forecast.reasons:
        tell(reason)

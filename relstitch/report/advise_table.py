"""A forecast in words for eyes, as TSV for pipes."""

from relstitch.artifacts.forecasts import Forecast
from relstitch.report.facts import show_facts
from relstitch.report.streams import tell

_EVIDENCE = {
    "held_out": "on held-out anchors", "held_out_halves": "on held-out anchors, half of them fitted on",
    "agreement": "agreement of two halves", "expected": "expected of the rows by their margins",
}  # fmt: skip


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def show_forecast(forecast: Forecast) -> None:
    """Show a forecast: named facts, the reasons beneath; TSV in a pipe, with the reasons on standard error."""
    kept = forecast.retention
    facts = {
        "verdict": forecast.verdict,
        f"{forecast.quantity}, {100 * forecast.level:.0f} % interval": _interval(
            forecast.value, forecast.low, forecast.high
        ),
        **({} if kept is None else {"retention": _interval(*kept)}),
        **({} if forecast.ceiling is None else {"ceiling": f"{forecast.ceiling:.3f}"}),
        "floor": f"{forecast.floor:.3f}",
        "way": forecast.way,
        **{_EVIDENCE[name]: f"{share:.3f}" for name, share in forecast.evidence.items() if name in _EVIDENCE},
        **{name: str(count) for name, count in forecast.rows.items()},
    }
    show_facts(f"{forecast.source} → {forecast.target}", facts)
    for reason in forecast.reasons:
        tell(reason)

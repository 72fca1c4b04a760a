"""The paper's experiments, one file each, built from what every user has."""

from collections.abc import Mapping
from importlib import import_module

from relstitch.errors import UsageError
from relstitch.experiments.experiment import Experiment, Run
from relstitch.experiments.steps import Steps
from relstitch.names import EXPERIMENTS

__all__ = ["Experiment", "Run", "Steps", "experiment_of"]

_HOMES: Mapping[str, str] = {name: f"relstitch.experiments.{name}" for name in EXPERIMENTS}


def experiment_of(name: str) -> Experiment:
    """One experiment by its name.

    Args:
        name: One of `relstitch.names.EXPERIMENTS`.

    Raises:
        UsageError: There is no such experiment.
    """
    if name not in _HOMES:
        raise UsageError(f"There is no experiment {name!r}. Choose one of: {', '.join(EXPERIMENTS)}.")
    found: Experiment = import_module(_HOMES[name]).EXPERIMENT
    return found

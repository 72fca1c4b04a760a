"""Pictures: decoders of one frozen encoder on the rows of another, over several data sets."""

from collections.abc import Mapping

from relstitch.artifacts.experiments import ExperimentReport, Size
from relstitch.experiments.encodings import Part
from relstitch.experiments.experiment import Experiment, Run
from relstitch.experiments.materials.encoders import PICTURES, SMALL_PICTURES
from relstitch.experiments.materials.picture_sources import picture_sources
from relstitch.experiments.matrices import Plan, matrices, planned, settings_of
from relstitch.experiments.matrix_tables import (
    ABSOLUTE,
    PLAIN,
    PUBLISHED,
    Paper,
    pairs_table,
    patterns_of,
    summary_table,
)
from relstitch.experiments.text import HEAD, PROTOCOL_NOTES

PLANS: Mapping[Size, Plan] = {
    "toy": Plan(Part(120, 80), k=80, draws=1, seeds=1, auto_draws=0),
    "usual": Plan(Part(1200, 500), k=768, draws=3, seeds=3, auto_draws=1),
    "full": Plan(Part(), k=768, draws=5, seeds=5, auto_draws=3),
}
_ENCODERS = ("rexnet-100", "vit-base-p16", "vit-base-resnet50", "vit-small")
_CIFAR100 = (
    ("80.2", "55.0", "53.3", "59.8"),
    ("76.8", "91.9", "81.4", "84.3"),
    ("79.8", "84.5", "90.8", "84.7"),
    ("75.4", "81.2", "78.4", "88.9"),
)
_PAIRS = {
    ("CIFAR-100 coarse, paper", decoder, encoder): _CIFAR100[row][column]
    for row, decoder in enumerate(_ENCODERS)
    for column, encoder in enumerate(_ENCODERS)
}
# Not stitched and stitched relative: means of the diagonal and of the rest of the paper's matrix; absolute: the two
# pairs of one width.
_PAPER: Paper = {
    ("CIFAR-100 coarse", ABSOLUTE, PUBLISHED): (None, "6.2, 4.7"),
    ("CIFAR-100 coarse", PLAIN, PUBLISHED): ("87.95", "74.55"),
}


def run(given: Run) -> ExperimentReport:
    """Stitch image encoders across architectures on every data set that is there.

    Args:
        given: Size, steps, data.

    Returns:
        Tables beside the paper's, and the patterns.

    Raises:
        DatasetError: Neither packages nor a folder of the user's hold anything that can be stitched.

    Source: Moschella et al. 2023, section 5.3.
    """
    plan = planned(PLANS, given)
    encoders = SMALL_PICTURES if given.size == "toy" else PICTURES
    there = picture_sources(given.size, given.data, [encoder.key for encoder in encoders])
    made, notes = matrices(given, there, encoders, plan)
    tables = (
        summary_table(made, "Pictures across encoders, in percent; the paper's encoders are others", _PAPER),
        pairs_table(made, "Pictures: each decoder on each encoder, weighted F1 in percent", _PAIRS),
    )
    return ExperimentReport(
        EXPERIMENT.name, EXPERIMENT.title, EXPERIMENT.section, given.size, tables, patterns_of(made),
        settings_of(made, plan, HEAD), (*PROTOCOL_NOTES, *notes),
    )  # fmt: skip


EXPERIMENT = Experiment("images", "image encoders across architectures", "section 5.3", run)

"""Texts: decoders of one frozen encoder on the rows of another, over several data sets."""

from collections.abc import Mapping

from relstitch.artifacts.experiments import ExperimentReport, Size
from relstitch.experiments.encodings import Part
from relstitch.experiments.experiment import Experiment, Run
from relstitch.experiments.materials.encoders import SMALL_TEXT, TEXT
from relstitch.experiments.materials.texts import texts
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

PLANS: Mapping[Size, Plan] = {
    "toy": Plan(Part(90, 60, words=60), k=60, draws=1, seeds=1, auto_draws=0),
    "usual": Plan(Part(900, 400, words=24), k=768, draws=3, seeds=3, auto_draws=1),
    "full": Plan(Part(), k=768, draws=5, seeds=5, auto_draws=3),
}
_PAPER: Paper = {
    ("TREC", ABSOLUTE, PUBLISHED): ("91.70", "21.49"),
    ("TREC", PLAIN, PUBLISHED): ("88.08", "75.89 ±5.38"),
    ("DBpedia", ABSOLUTE, PUBLISHED): ("98.62", "6.96"),
    ("DBpedia", PLAIN, PUBLISHED): ("97.42", "80.47 ±21.14"),
    ("Amazon coarse", ABSOLUTE, PUBLISHED): ("87.81", "49.58"),
    ("Amazon coarse", PLAIN, PUBLISHED): ("85.08", "72.37 ±7.32"),
    ("Amazon fine", ABSOLUTE, PUBLISHED): ("55.35", "19.01"),
    ("Amazon fine", PLAIN, PUBLISHED): ("48.92", "33.24 ±7.21"),
}
HEAD = "LayerNorm, one hidden layer of 256 (SiLU), Adam; transductive: hidden units normalised over the test rows"


def run(given: Run) -> ExperimentReport:
    """Stitch text encoders across architectures on every data set that is there.

    Args:
        given: Size, steps, data.

    Returns:
        Tables beside the paper's, and the patterns.

    Raises:
        DatasetError: Neither packages nor a folder of the user's hold anything that can be stitched.

    Source: Moschella et al. 2023, section 5.2.
    """
    plan = planned(PLANS, given)
    encoders = SMALL_TEXT if given.size == "toy" else TEXT
    there = texts(given.size, given.data, [encoder.key for encoder in encoders])
    made, notes = matrices(given, there, encoders, plan)
    tables = (
        summary_table(made, "Texts across encoders, in percent; the paper's encoders are others", _PAPER),
        pairs_table(made, "Texts: each decoder on each encoder, weighted F1 in percent", {}),
    )
    return ExperimentReport(
        EXPERIMENT.name, EXPERIMENT.title, EXPERIMENT.section, given.size, tables, patterns_of(made),
        settings_of(made, plan, HEAD), (*PROTOCOL_NOTES, *notes),
    )  # fmt: skip


PROTOCOL_NOTES = (
    "The published scores are transductive: the heads of the official code normalise hidden units over the whole "
    "test set. Inductive scores answer for each row by itself.",
    "Absolute embeddings are stitched only between encoders of one width.",
)
EXPERIMENT = Experiment("text", "text encoders across architectures", "section 5.2", run)

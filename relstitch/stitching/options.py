"""What a stitch can be asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from relstitch.artifacts import Embeddings, Relative, Rows
from relstitch.errors import UsageError, some
from relstitch.names import TASKS, TaskName

Space = Embeddings | Relative


@dataclass(frozen=True)
class StitchOptions:
    """How to stitch, and what to show.

    Attributes:
        method: The decoder, one of `relstitch.names.DECODERS`.
        way: How the spaces meet: ``relative`` (by the projection below), the name of a translator
            (`relstitch.names.TRANSLATORS`), or ``auto``: chosen on held-out anchors (`relstitch.choosing`).
        projection: For embeddings, as `relstitch.relative.parse_projection` reads it: a name of
            `relstitch.names.PROJECTIONS`, several joined by ``+``, parameters after a colon. Relative files bring
            their own.
        center: Whether the anchors' mean is taken off; None: both forms side by side.
        draws: How many anchor draws: None, all of the file; more than it holds are drawn anew; fewer, its first.
        k: Only the first k anchors of every draw.
        seeds: Decoder seeds. The first one also deals the folds when the strength is chosen. Decoders without
            randomness use the first only.
        strength: C (logistic, svm), the penalty (ridge) or the neighbours (knn); None: chosen on held-out anchors.
        train_split: The split that decoders learn from.
        test_split: The split that is scored.
        strict: Demand that the files hold exactly the same rows.
        transductive: Show the published protocol, which uses test-set statistics, beside the inductive one (mlp).
        absolute: Show the absolute embeddings beside the relative representations.
        label_map: A name found in the files → the name to read it as, where two files name a class differently.
        train_side: The side of parallel anchors for the decoder's file.
        test_side: The side of parallel anchors for the encoder's file, where it is another one.
        task: ``labels``: what the files hold as targets. ``reconstruct``: pictures or real values are to be given
            back: those of `targets`, or those that the files hold. Scored by MSE (pictures) or R² (values).
        targets: What is to be reconstructed, by id: rows with targets of kind ``image`` or ``real``.
    """

    method: str = "logistic"
    way: str = "relative"
    projection: str = "cosine"
    center: bool | None = None
    draws: int | None = None
    k: int | None = None
    seeds: tuple[int, ...] = (0,)
    strength: float | None = None
    train_split: str = "train"
    test_split: str = "test"
    strict: bool = False
    transductive: bool = False
    absolute: bool = True
    label_map: Mapping[str, str] = field(default_factory=dict)
    train_side: str | None = None
    test_side: str | None = None
    task: TaskName = "labels"
    targets: Rows | None = None

    def __post_init__(self) -> None:
        if not self.seeds:
            raise UsageError("No decoder seed was given: at least one is needed, for example seeds=(0,).")
        if min(self.seeds) < 0:
            raise UsageError(f"A decoder seed must be 0 or larger; {min(self.seeds)} was given.")
        unheeded = [
            called
            for called, given in (
                (f"projection {self.projection!r}", self.projection != "cosine"),
                ("centring", self.center is not None),
                ("the transductive protocol", self.transductive),
            )
            if given
        ]
        if self.way != "relative" and unheeded:
            raise UsageError(
                f"The method {self.way!r} does not stitch by one projection, so {some(unheeded)} would have no "
                "effect. Leave out either the method or what goes with --projection, --center and --transductive."
            )
        self._check_task()
        if self.draws is not None and self.draws < 1:
            raise UsageError(f"{self.draws} anchor draws were asked for; at least one is needed.")

    def _check_task(self) -> None:
        if self.task not in TASKS:
            raise UsageError(f"There is no task {self.task!r}. Choose one of: {', '.join(TASKS)}.")
        if self.targets is None:
            return
        if self.task != "reconstruct":
            raise UsageError(
                "Targets of their own were given, and the task is to learn the files' labels. Choose the task "
                "reconstruct (--task reconstruct), or leave the targets out."
            )
        given = self.targets.targets
        if given is None or given.kind not in ("real", "image"):
            found = "no targets" if given is None else f"targets of kind {given.kind!r}"
            raise UsageError(
                f"The rows to be reconstructed have {found}; expected pictures (kind 'image') or real values (kind "
                "'real')."
            )

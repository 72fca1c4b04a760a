"""Stitches by products of projections and by projections with parameters, and decoders that are kept of them."""

import numpy as np
import pytest
from stitching_samples import anchors_in, rotation, space, turned_pair

from relstitch.artifacts import Embeddings, Relative, Targets
from relstitch.errors import UsageError
from relstitch.relative import anchor_vectors, parse_projection, relative_representation, with_columns
from relstitch.stitching import StitchOptions, decoder_of, predict_with, stitch

ASKED = ("cosine+dot", "cosine:zscore", "cosine+l1:zscore", "cosine:top=20,power=2", "dot:subspaces=2")


def relatives(projection: str) -> tuple[dict[str, Embeddings], dict[str, Relative]]:
    files, anchors = turned_pair()
    spec = parse_projection(projection)
    made: dict[str, Relative] = {}
    for name, file in files.items():
        known = with_columns(anchor_vectors(file, anchors), file, spec)
        made[name] = relative_representation(file, known, spec)
    return files, made


@pytest.mark.parametrize("projection", ASKED)
def test_embeddings_stitch_as_their_relative_files_do(projection: str) -> None:
    files, anchors = turned_pair()
    _, made = relatives(projection)
    general = stitch(files, anchors, StitchOptions("ridge", projection=projection, center=True, absolute=False))
    plain = stitch(made, None, StitchOptions("ridge"))
    assert general.stitched_mean("relative") == pytest.approx(plain.stitched_mean("relative"), abs=1e-9)
    assert general.settings["projection"] == projection.split(":", maxsplit=1)[0]
    stitched = general.stitched_mean("relative")
    assert stitched is not None
    assert stitched > general.floor + 0.2


@pytest.mark.parametrize("projection", ["cosine:zscore", "cosine+l1:zscore"])
def test_a_kept_decoder_scales_the_columns_of_every_encoder_by_its_own_rows(projection: str) -> None:
    files, anchors = turned_pair()
    _, made = relatives(projection)
    options = StitchOptions("ridge", projection=projection, center=True)
    decoder = decoder_of("one", files, anchors, options)
    for name, file in files.items():
        by_embeddings = predict_with(decoder, file).values
        by_relative = predict_with(decoder, made[name]).values
        np.testing.assert_array_equal(by_embeddings, by_relative)


def test_relative_files_are_held_to_the_whole_of_what_is_asked() -> None:
    _, made = relatives("cosine:top=20,power=2")
    stitch(made, None, StitchOptions("ridge", projection="cosine:top=20,power=2"))
    with pytest.raises(UsageError) as error:
        stitch(made, None, StitchOptions("ridge", projection="cosine:top=30,power=2"))
    assert str(error.value) == (
        "one was projected with cosine, centred, top=20, power=2, and 'cosine:top=30,power=2' was asked for; another "
        "projection needs the embeddings files. Leave --projection out, or encode anew."
    )


def test_a_projection_that_does_not_exist_is_refused() -> None:
    files, anchors = turned_pair()
    with pytest.raises(UsageError, match=r"^There is no projection 'cosin'\."):
        stitch(files, anchors, StitchOptions(projection="cosin"))


def several_labels() -> dict[str, Embeddings]:
    """Each row has a fifth of five labels; 64 columns, which the second encoder turns."""
    rng = np.random.default_rng(0)
    labels = rng.random((300, 5)) < 0.2
    X = 2 * labels @ rng.normal(size=(5, 64)) + 2 * rng.normal(size=(300, 64))
    targets = Targets("multilabel", labels, np.ones(300, dtype=bool), tuple("abcde"))
    return {name: space(Y, targets, name) for name, Y in (("one", X), ("two", X @ rotation(64)))}


def test_anchors_that_whiten_leave_the_whitening_when_they_are_held_out() -> None:
    """Fewer anchors than columns, whitened by themselves, are all equally alike: no strength would tell apart on them."""
    files = several_labels()
    options = StitchOptions(projection="whitened", center=True, absolute=False)
    report = stitch(files, anchors_in(files["one"], k=50), options)
    assert report.settings["chosen_on"] == {"relative": {"one": ["held-out anchors"], "two": ["held-out anchors"]}}
    stitched = report.stitched_mean("relative")
    assert stitched is not None
    assert stitched > 0.9 > report.floor


def test_relative_files_that_were_whitened_hold_no_anchor_out() -> None:
    _, made = relatives("whitened")
    report = stitch(made, None, StitchOptions("ridge"))
    assert any("relative files are whitened by all anchors, so that none can be held out." in n for n in report.notes)

"""Stitches by products of projections and by projections with parameters, and decoders that are kept of them."""

import numpy as np
import pytest
from stitching_samples import turned_pair

from relstitch.artifacts import Embeddings, Relative
from relstitch.errors import UsageError
from relstitch.relative import anchor_vectors, parse_projection, relative_representation, with_columns
from relstitch.stitching import StitchOptions, decoder_of, predict_with, stitch

ASKED = ("cosine+dot", "cosine:zscore", "cosine+l1:zscore", "cosine:top=20,power=2", "dot:subspaces=2")


def relatives(projection: str) -> tuple[dict[str, Embeddings], dict[str, Relative]]:
    files, anchors = turned_pair()
    spec = parse_projection(projection)
    made: dict[str, Relative] = {}
    for name, space in files.items():
        known = with_columns(anchor_vectors(space, anchors), space, spec)
        made[name] = relative_representation(space, known, spec)
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
    for name, space in files.items():
        by_embeddings = predict_with(decoder, space).values
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

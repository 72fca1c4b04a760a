"""Decoders that are kept: the same answers as in the stitch, for every encoder they serve, and for no other."""

from dataclasses import replace

import numpy as np
import pytest
from stitching_samples import anchors_in, blobs, rotation, space, turned_pair

from relstitch.artifacts import Anchors, AnchorSide, Decoder, Embeddings, ProjectionSpec
from relstitch.artifacts.anchor_lists import AnchorList
from relstitch.decoders import DecoderSettings, fit_decoder
from relstitch.errors import MismatchError, UsageError
from relstitch.relative import anchor_vectors, relative_representation
from relstitch.scoring import score
from relstitch.stitching import StitchOptions, decoder_of, predict_with, representations_for, stitch, stitch_pair


def kept() -> tuple[Decoder, dict[str, Embeddings], Anchors]:
    files, anchors = turned_pair(spread=1.2)
    return decoder_of("one", files, anchors), files, anchors


@pytest.mark.parametrize("method", ["logistic", "svm", "ridge", "knn", "mlp"])
def test_a_kept_decoder_answers_as_in_the_stitch(method: str) -> None:
    files, anchors = turned_pair(spread=1.2)
    options = StitchOptions(method, absolute=False, center=True)
    report = stitch(files, anchors, options)
    decoder = decoder_of("two", files, anchors, options)
    for name, one in files.items():
        targets = one.rows.targets
        assert targets is not None
        scored = score(predict_with(decoder, one.take(np.arange(160, 240))), targets.take(np.arange(160, 240)))
        assert report.cell("relative", "two", name).scores["accuracy"].values == (scored.metrics["accuracy"],)


def test_what_is_kept() -> None:
    decoder, files, anchors = kept()
    assert decoder.encoder == files["one"].encoder
    assert decoder.projection == ProjectionSpec("cosine", center=True)
    assert [stamp.spec for stamp, _ in decoder.spaces] == ["st:one", "st:two"]
    for (_, space_), one in zip(decoder.spaces, files.values(), strict=True):
        assert np.array_equal(space_.vectors, anchor_vectors(one, anchors).vectors)
    assert decoder.settings["chosen_on"] == "held-out anchors"
    assert decoder_of("one", files, anchors, StitchOptions(center=False)).projection == ProjectionSpec(
        "cosine", center=False
    )
    second = decoder_of("two", files, anchors, StitchOptions("ridge"))
    assert [stamp.spec for stamp, _ in second.spaces] == ["st:two", "st:one"]


def test_relative_files_and_embeddings_get_the_same_answers() -> None:
    decoder, files, anchors = kept()
    relative = {name: relative_representation(one, anchor_vectors(one, anchors)) for name, one in files.items()}
    for name, one in files.items():
        assert np.array_equal(predict_with(decoder, one).values, predict_with(decoder, relative[name]).values)
        assert representations_for(decoder, relative[name]) is relative[name].values
    again = decoder_of("one", relative)
    assert np.array_equal(again.arrays["weights"], decoder.arrays["weights"])


def test_new_rows_without_labels_are_answered() -> None:
    decoder, _, _ = kept()
    X, labels = blobs(spread=0.2)
    new = space(X, None, "one")
    assert np.mean(predict_with(decoder, new).labels() == np.array(labels, dtype=object)) > 0.8


def test_a_decoder_of_a_pair_serves_both_languages() -> None:
    X, labels = blobs(spread=0.5)
    left = space(X, labels, "one")
    right = space(X @ rotation(10), labels, "two")
    anchors = anchors_in(left, right)
    options = StitchOptions("ridge", train_side="left", test_side="right", absolute=False)
    report = stitch_pair(("en", left), ("es", right), anchors, options)
    decoder = decoder_of("en", {"en": left, "es": right}, anchors, options, pair=True)
    targets = right.rows.targets
    assert targets is not None
    scored = score(predict_with(decoder, right.take(np.arange(160, 240))), targets.take(np.arange(160, 240)))
    assert report.cell("relative", "en", "es").scores["accuracy"].values == (scored.metrics["accuracy"],)
    assert [anchors.side for _, anchors in decoder.spaces] == ["left", "right"]


def test_a_decoder_of_a_file_that_is_not_there() -> None:
    files, anchors = turned_pair()
    with pytest.raises(UsageError) as caught:
        decoder_of("three", files, anchors)
    assert str(caught.value) == "There is no file called 'three' in this stitch; there are: one, two."


def test_an_encoder_the_decoder_does_not_serve() -> None:
    decoder, files, _ = kept()
    other = replace(files["one"], encoder=replace(files["one"].encoder, prompt="query: "))
    with pytest.raises(MismatchError) as caught:
        predict_with(decoder, other)
    assert str(caught.value) == (
        "This decoder does not know st:one (with its revision, prompt and settings); it serves: st:one, st:two. Make "
        "a relative file with the same anchors (encode --anchors), or save the decoder from a stitch that includes "
        "this encoder."
    )
    ready = replace(files["one"], encoder=replace(files["one"].encoder, spec="vectors:x.npy", modality="vectors"))
    with pytest.raises(MismatchError) as caught:
        predict_with(decoder, ready)
    assert str(caught.value) == (
        "These vectors (vectors:x.npy) do not say which encoder made them, and this decoder serves: st:one, st:two. "
        "Make a relative file of them with the same anchors (encode --anchors) and give that."
    )


def test_relative_files_the_decoder_does_not_read() -> None:
    decoder, files, anchors = kept()
    plain = relative_representation(
        files["two"], anchor_vectors(files["two"], anchors), ProjectionSpec("cosine", center=False)
    )
    with pytest.raises(MismatchError) as caught:
        predict_with(decoder, plain)
    assert str(caught.value) == (
        "This decoder reads representations projected with cosine, centred; the file's were projected with cosine, "
        "not centred. Encode it anew with the decoder's projection."
    )
    draw = anchors.sides[0].draws[0]
    turned = AnchorList(draw.ids[::-1], draw.hashes[::-1])
    other = Anchors("explicit", 0, (AnchorSide("main", "", (turned,)),))
    with pytest.raises(MismatchError) as caught:
        predict_with(decoder, relative_representation(files["two"], anchor_vectors(files["two"], other)))
    assert str(caught.value) == (
        f"This decoder reads similarities to 40 anchors ({draw.ids[0]}, {draw.ids[1]} … and 38 more; sha256 "
        f"{draw.digest[:12]}); the file's are to 40 anchors ({draw.ids[39]}, {draw.ids[38]} … and 38 more; sha256 "
        f"{turned.digest[:12]}). Encode it anew with the anchors the decoder was trained with."
    )


def test_a_decoder_of_absolute_embeddings() -> None:
    _, files, anchors = kept()
    targets = files["one"].rows.targets
    assert targets is not None
    absolute = fit_decoder(files["one"].vectors, targets, DecoderSettings("ridge"))
    assert len(predict_with(absolute, files["one"])) == 240
    named = replace(absolute, encoder=files["one"].encoder)
    with pytest.raises(MismatchError) as caught:
        predict_with(named, files["two"])
    assert str(caught.value) == (
        "This decoder reads the absolute embeddings of st:one; these are of st:two. Absolute embeddings of two "
        "encoders do not fit: stitch relative ones."
    )
    relative = relative_representation(files["one"], anchor_vectors(files["one"], anchors))
    with pytest.raises(MismatchError) as caught:
        predict_with(absolute, relative)
    assert str(caught.value) == (
        "This decoder reads the absolute embeddings of an unnamed encoder, and a relative file was given. "
        "Give embeddings of that encoder."
    )


def test_the_same_model_with_other_settings_is_told_which() -> None:
    files, anchors = turned_pair(spread=1.2)
    for name, one in files.items():
        files[name] = replace(one, encoder=replace(one.encoder, weights_sha256=name * 20, max_length=64))
    decoder = decoder_of("one", files, anchors)
    other = replace(files["two"], encoder=replace(files["two"].encoder, max_length=8, prompt="query: "))
    with pytest.raises(MismatchError) as caught:
        predict_with(decoder, other)
    assert str(caught.value) == (
        "This decoder serves st:two with other settings: max_length 8 instead of 64, prompt 'query: ' instead of None. "
        "Encode with the same ones."
    )

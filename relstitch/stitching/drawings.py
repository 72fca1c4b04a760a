"""What decoders of pictures drew, to be looked at: originals, own decoder, stitched."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts.experiments import PictureGrid
from relstitch.scoring import Scored, shown_rows
from relstitch.stitching.matrix import Key
from relstitch.stitching.parties import Party

_CALLED = {"relative": "relative, centred", "relative, paper": "relative, not centred"}


def picture_grid(
    parties: Sequence[Party], forms: Sequence[str], scored: Mapping[Key, Sequence[Scored]]
) -> PictureGrid | None:
    """Some test pictures, and what the first decoder drew of them in the first draw and with the first seed.

    Args:
        parties: Those with training rows have decoders, those with test rows were scored.
        forms: As shown.
        scored: By form, decoder and encoder.

    Returns:
        Rows: the originals; the decoder's own encoder, by the first relative form; every other encoder, the relative
        forms first, the absolute one last. None where the targets are no pictures.

    Example:
        >>> picture_grid([], ["relative"], {}) is None
        True
    """
    learner = next((party for party in parties if len(party.train)), None)
    tested = [party for party in parties if len(party.test)]
    if learner is None or learner.targets.kind != "image":
        return None
    shown = tested[-1]
    originals = _originals(shown)
    rows = {"original": originals}
    ordered = sorted(forms, key=lambda form: form == "absolute")
    # A decoder that was tested on other rows than the stitched ones has nothing to stand beside them.
    if len(learner.test) and _ids(learner) == _ids(shown):
        rows |= _drawn(f"own decoder: {learner.name}", scored.get((ordered[0], learner.name, learner.name), ()))
    for party in (party for party in tested if party is not learner):
        for form in ordered:
            rows |= _drawn(
                f"{_CALLED.get(form, form)}: {party.name}", scored.get((form, learner.name, party.name), ())
            )
    names = tuple(rows)
    title = f"What the decoder of {learner.name} draws of test rows"
    return PictureGrid("pictures", title, names, np.stack([rows[name] for name in names]))


def _originals(party: Party) -> NDArray[np.float32]:
    kept = party.targets.take(party.test[shown_rows(len(party.test))])
    return kept.numbers().reshape(kept.values.shape)


def _ids(party: Party) -> list[str]:
    return [str(name) for name in party.space.rows.ids[party.test]]


def _drawn(called: str, found: Sequence[Scored]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    if found and found[0].pictures is not None:
        figure = f" (MSE {found[0].metrics['mse']:.4f})"
        yield called + figure, found[0].pictures

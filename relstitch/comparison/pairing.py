"""The form in which a measure can be asked about chosen rows of a sample."""

from collections.abc import Callable

from relstitch.comparison.pairs import Index, Numbers

Pairing = Callable[[Index, Index], Numbers]
"""From intp [m] rows of X and intp [m] rows of Y that are taken to be the same samples, in order, to the measure: one
value, shape [], or one per row, shape [m], whose mean is the measure's value. Measures on neighbours look for them
among all rows, so both lists must then be permutations of all rows."""

Shuffled = Callable[[Index], float]
"""From an order of all rows of Y, intp [n], to the measure's value when row i of X meets that row of Y."""

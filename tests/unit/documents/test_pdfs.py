import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.pdfs import render_scale

LIMITS = {"dots_per_inch": 200, "max_pixels": 25_000_000, "max_side": 20_000}
SIDES = st.floats(min_value=1e-6, max_value=1e12, allow_nan=False)


def test_an_ordinary_page_has_the_resolution_that_was_asked_for() -> None:
    assert render_scale(595, 842, **LIMITS) == 200 / 72


@given(width=SIDES, height=SIDES)
def test_no_page_exceeds_the_pixels_or_a_side(width: float, height: float) -> None:
    scale = render_scale(width, height, **LIMITS)
    if scale is not None:
        across, down = math.ceil(width * scale), math.ceil(height * scale)
        assert across * down <= LIMITS["max_pixels"]
        assert max(across, down) <= LIMITS["max_side"] + 1  # a rounding error may cost one


@pytest.mark.parametrize(
    ("width", "height"),
    [(100_000_000, 0.01), (0.01, 1e9), (30_000_000, 1), (0, 10), (math.inf, 1), (math.nan, 1), (-5, -5)],
)
def test_a_page_of_which_nothing_would_be_left_is_not_rendered(width: float, height: float) -> None:
    assert render_scale(width, height, **LIMITS) is None

"""Every arm of a study has a look of its own, and panels fill a paper's column or page."""

from __future__ import annotations

import pytest
from matplotlib import pyplot as plt

from fedface_lab.study.plots.style import COLUMN_INCHES, PAGE_INCHES, line_style, make_panels
from fedface_lab.study.study_file import RepeatPlan, Study, Tree


def test_up_to_eighteen_arms_can_be_told_apart() -> None:
    arms: dict[str, Tree] = {name: {} for name in (*(f"arm {number}" for number in range(18)), "bound")}
    study = Study(name="many", arms=arms, repeat=RepeatPlan(seeds=(0,), fields=("seed",)), upper_bound="bound")
    styles = [line_style(study, arm) for arm in arms]
    assert len({(style.colour, style.line) for style in styles}) == 19
    assert styles[-1].line == "--"


@pytest.mark.parametrize(
    ("count", "rows", "width"),
    [
        (1, 1, COLUMN_INCHES),
        (2, 1, 0.72 * PAGE_INCHES),
        (3, 1, PAGE_INCHES),
        (4, 2, 0.72 * PAGE_INCHES),
        (5, 2, PAGE_INCHES),
    ],
)
def test_panels_share_a_page(count: int, rows: int, width: float) -> None:
    figure, panels = make_panels(count, height=2.0)
    assert len(panels) == len(figure.axes) == count
    assert tuple(figure.get_size_inches()) == pytest.approx((width, 2.0 * rows))
    plt.close(figure)

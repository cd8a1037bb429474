"""Every arm of a study has a look of its own, and panels fill a paper's column or page."""

from __future__ import annotations

import pytest
from matplotlib import pyplot as plt

from fedface_lab.study.plots.style import COLUMN_INCHES, PAGE_INCHES, add_legend_above, line_style, make_panels
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


@pytest.mark.parametrize("panels", [1, 3])
@pytest.mark.parametrize(
    "name", ["arm {}", "gaussian-negatives in {} thousand rounds", "a name that is longer than " + "a column " * 9 + "{}"]
)
def test_a_legend_is_no_wider_than_its_figure_unless_one_name_is(panels: int, name: str) -> None:
    figure, all_axes = make_panels(panels, height=2.0)
    for number in range(8):
        all_axes[0].plot([0, 1], [0, 1], label=name.format(number))
    add_legend_above(figure, all_axes)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [name.format(number) for number in range(8)]
    longest = max(text.get_window_extent().width for text in legend.get_texts())
    assert legend.get_window_extent().width <= figure.bbox.width or longest > 0.8 * figure.bbox.width
    plt.close(figure)

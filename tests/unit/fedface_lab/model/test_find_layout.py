"""A layout is found by names and shapes, whatever prefix they have; what does not fit, or fits twice, is refused by name."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import ModelPlan
from fedface_lab.model.find_layout import Fit, Wanted, find_layout, in_words
from fedface_lab.model.tensor_set import LONGEST_NAME, MOST_TENSORS, TensorSet
from fedface_learning.models.layouts.layout import InputConvention, Layout
from support.small_networks import TINY

BGR = InputConvention("bgr", 127.5, 128.0)


def layout(name: str, stages: int, *, fed: InputConvention = BGR, architecture: str = "spherenet-4") -> Layout:
    shapes = {"conv1.weight": (4, 3, 3, 3), **{f"layer{stage}.0.weight": (4, 4) for stage in range(1, stages + 1)}}
    plan = ModelPlan.model_validate(TINY | {"architecture": architecture})
    return Layout(name, plan, fed, shapes, frozenset({"fc6.weight"}), lambda tensors, _fed: dict(tensors))


SHORT = layout("short", 1)
LONG = layout("long", 2, architecture="spherenet-10")


def tensors(of: Layout, prefix: str = "", **more: Tensor) -> TensorSet:
    given = {prefix + name: torch.zeros(shape) for name, shape in of.shapes.items()}
    return TensorSet("", given | more)


def find(*sets: TensorSet, layouts: tuple[Layout, ...] = (SHORT, LONG), **wanted: object) -> Fit:
    return find_layout(sets, layouts, Wanted(**wanted))  # type: ignore[arg-type]


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "model.", "module.backbone.", "features.", "net.module."])
def test_prefixes_are_taken_away(prefix: str) -> None:
    fit = find(tensors(LONG, prefix))
    assert (fit.layout, fit.prefix, fit.left_out) == (LONG, prefix, [])
    assert fit.used == list(LONG.shapes)


def test_the_shallower_network_does_not_take_the_deeper_ones_weights() -> None:
    assert find(tensors(LONG), layouts=(SHORT, LONG)).layout is LONG
    with pytest.raises(InvalidInputError, match=r"Nearest is short: Tensors unexpected \(1\): layer2\.0\.weight"):
        find(tensors(LONG), layouts=(SHORT,))


def test_what_is_no_part_of_the_network_is_left_out() -> None:
    more = {
        "module.head.kernel": torch.zeros(2),
        "module.fc6.weight": torch.zeros(2),
        "module.layer1.0.num_batches_tracked": torch.tensor(1),
        "other.conv1.weight": torch.zeros(1),
    }
    assert sorted(find(tensors(SHORT, "module.", **more)).left_out) == sorted(more)


def test_the_place_that_fits_is_taken() -> None:
    wrapped = replace(tensors(SHORT), place="state_dict")
    assert find(TensorSet("", {"epoch": torch.tensor(3)}), wrapped).tensors is wrapped


def test_misfits_of_the_nearest_are_named_by_kind() -> None:
    given = dict(tensors(LONG, "module.").tensors)
    del given["module.layer1.0.weight"]
    given["module.conv1.weight"] = torch.zeros(4, 1, 3, 3)
    given["module.layer3.0.weight"] = torch.zeros(2)
    with pytest.raises(InvalidInputError) as refusal:
        find(TensorSet("net", given))
    assert str(refusal.value) == (
        "its tensors in net fit no network that can be imported. Nearest is long, without 'module.': "
        "Tensors missing (1): layer1.0.weight; unexpected (1): layer3.0.weight; "
        "of the wrong shape (1): conv1.weight: (4, 1, 3, 3), must be (4, 3, 3, 3)"
    )


def test_whole_numbers_are_no_weights() -> None:
    with pytest.raises(InvalidInputError, match=r"of the wrong shape \(1\): conv1\.weight: \(4, 3, 3, 3\) of int8, must be"):
        find(TensorSet("", dict(tensors(SHORT).tensors) | {"conv1.weight": torch.zeros(4, 3, 3, 3, dtype=torch.int8)}))


def test_what_resembles_nothing_is_said_with_what_is_known() -> None:
    with pytest.raises(InvalidInputError, match="none of a network that can be imported: spherenet-10, spherenet-4"):
        find(TensorSet("", {"encoder.block.0": torch.zeros(3)}))


def test_an_architecture_is_an_expectation() -> None:
    assert find(tensors(SHORT), architecture="spherenet-4").layout is SHORT
    with pytest.raises(InvalidInputError, match=r"these are weights of spherenet-4 \(short\), not spherenet-10"):
        find(tensors(SHORT), architecture="spherenet-10")
    with pytest.raises(InvalidInputError, match="no published weights of resnet can be imported, but of spherenet-10"):
        find(tensors(SHORT), architecture="resnet")


def test_weights_that_fit_two_layouts_are_settled_by_an_option() -> None:
    rgb = layout("another's", 1, fed=replace(BGR, channel_order="rgb"))
    with pytest.raises(
        InvalidInputError, match=r"short: spherenet-4, fed BGR, .*another's: spherenet-4, fed RGB, .*Say which"
    ):
        find(tensors(SHORT), layouts=(SHORT, rgb))
    fit = find(tensors(SHORT), layouts=(SHORT, rgb), channel_order="rgb")
    assert fit.input(Wanted(channel_order="rgb")) == rgb.input
    assert find(tensors(SHORT), layouts=(SHORT, layout("the same", 1))).layout is SHORT


def test_input_is_the_persons_then_the_files_then_the_layouts() -> None:
    fit = find(TensorSet("", tensors(SHORT).tensors, scaling=(127.5, 127.5)))
    assert fit.input(Wanted()) == InputConvention("bgr", 127.5, 127.5)
    assert fit.input(Wanted(None, "rgb", 0.0, 255.0)) == InputConvention("rgb", 0.0, 255.0)
    assert in_words(fit.input(Wanted())) == "BGR, (pixel − 127.5) / 127.5"


def test_tensors_and_names_are_bounded() -> None:
    with pytest.raises(InvalidInputError, match="tensors; a network has"):
        TensorSet("", dict.fromkeys(map(str, range(MOST_TENSORS + 1)), torch.zeros(1)))
    with pytest.raises(InvalidInputError, match="a tensor's name has"):
        TensorSet("", {"x" * (LONGEST_NAME + 1): torch.zeros(1)})

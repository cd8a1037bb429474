"""Finds the layout of published weights by the names and shapes of the tensors, whatever prefix training code gave them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import torch

from fedface_core.domain.errors import InvalidInputError
from fedface_lab.model.tensor_set import TensorSet
from fedface_learning.models.layouts.layout import InputConvention, Layout
from fedface_learning.models.weights import misfits_in_words

FLOATS: Final = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
"""The dtypes of weights that can be read; all become float32."""

_MOST_DOTS: Final = 8  # a prefix has so many parts at most
COUNTER: Final = "num_batches_tracked"
"""What the name of a counter ends with, which each BatchNorm has for training with an average over all batches."""


@dataclass(frozen=True)
class Wanted:
    """What a person says about the weights; None for what the file and its layout should say."""

    architecture: str | None = None
    channel_order: Literal["rgb", "bgr"] | None = None
    pixel_mean: float | None = None
    pixel_scale: float | None = None


@dataclass(frozen=True)
class Fit:
    """How well tensors fit a layout if ``prefix`` is taken from their names."""

    layout: Layout
    tensors: TensorSet
    prefix: str
    used: list[str]
    """Names of the layout that are there in the right shape."""
    left_out: list[str]
    """Names in the file of what the network has no use for: counters, a classifier, other networks."""
    misfits: dict[str, list[str]] = field(default_factory=dict)
    """What is missing, unexpected or misshapen, by kind; empty if the layout fits."""

    @property
    def likeness(self) -> float:
        """From 0, if nothing fits, to 1: the share of the tensors of file and layout that both have."""
        found = sum(len(names) for names in self.misfits.values())
        return len(self.used) / (len(self.used) + found) if self.used else 0.0

    def input(self, wanted: Wanted) -> InputConvention:
        """What the network is fed: what the layout says, unless the file itself or a person says another thing."""
        given = {"channel_order": wanted.channel_order, "pixel_mean": wanted.pixel_mean, "pixel_scale": wanted.pixel_scale}
        mean, scale = self.tensors.scaling or (self.layout.input.pixel_mean, self.layout.input.pixel_scale)
        own = replace(self.layout.input, pixel_mean=mean, pixel_scale=scale)
        return replace(own, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


def find_layout(sets: Sequence[TensorSet], layouts: Sequence[Layout], wanted: Wanted) -> Fit:
    """The layout that the tensors of one of ``sets`` fit exactly; of several sets, the first that fits.

    `InvalidInputError` if none fits, which names the nearest and what is wrong; if the architecture is not the wanted one;
    or if several fit that differ in the network or in what it is fed.
    """
    known = sorted({layout.plan.architecture for layout in layouts})
    if wanted.architecture is not None and wanted.architecture not in known:
        raise InvalidInputError(f"no published weights of {wanted.architecture} can be imported, but of {', '.join(known)}")
    fits = [fit_of(tensors, layout) for tensors in sets for layout in layouts]
    exact = [fit for fit in fits if fit.used and not fit.misfits]
    most = max((len(fit.used) for fit in exact), default=0)
    exact = [fit for fit in exact if len(fit.used) == most]
    right = [fit for fit in exact if wanted.architecture in (None, fit.layout.plan.architecture)]
    if exact and not right:
        found = exact[0].layout
        raise InvalidInputError(f"these are weights of {found.plan.architecture} ({found.name}), not {wanted.architecture}")
    if not right:
        raise InvalidInputError(_nearest(fits, wanted, known))
    first = right[0]
    rivals = [fit for fit in right if fit.tensors is first.tensors]
    if any((fit.layout.plan, fit.input(wanted)) != (first.layout.plan, first.input(wanted)) for fit in rivals):
        raise InvalidInputError(_ambiguous(rivals, wanted))
    return first


def fit_of(tensors: TensorSet, layout: Layout) -> Fit:
    """How well the tensors fit the layout, with the prefix that most of them have before the layout's names."""
    shapes = layout.shapes
    prefixes = Counter(
        prefix
        for name in tensors.tensors
        for prefix in _prefixes(name)
        if name.removeprefix(prefix) in shapes
    )  # fmt: skip
    most = max(prefixes.values(), default=0)
    prefix = min((prefix for prefix, count in prefixes.items() if count == most), key=len, default="")
    own = {name.removeprefix(prefix): each for name, each in tensors.tensors.items() if name.startswith(prefix)}
    families = {_family(name) for name in shapes}
    unneeded = [name for name in own if name not in shapes]
    unexpected = [
        name for name in unneeded if name not in layout.unused and not name.endswith(COUNTER) and _family(name) in families
    ]
    right = [name for name in shapes if name in own and tuple(own[name].shape) == shapes[name] and own[name].dtype in FLOATS]
    wrong = [name for name in shapes if name in own and name not in set(right)]
    misfits = {
        "missing": [name for name in shapes if name not in own],
        "unexpected": [f"{name:.100}" for name in unexpected],
        "of the wrong shape": [
            f"{name}: {_form(own[name])}, must be {shapes[name]}" for name in wrong
        ],
    }  # fmt: skip
    left_out = [name for name in tensors.tensors if not name.startswith(prefix)]
    left_out += [prefix + name for name in unneeded if name not in set(unexpected)]
    return Fit(layout, tensors, prefix, right, left_out, {kind: names for kind, names in misfits.items() if names})


def _prefixes(name: str) -> list[str]:
    ends = [match.end() for match in re.finditer(r"\.", name)][:_MOST_DOTS]
    return ["", *(name[:end] for end in ends)]


def _family(name: str) -> str:
    """The letters that a name begins with: a tensor ``layer5.…`` belongs to a network that has ``layer4.…``."""
    found = re.match(r"[A-Za-z]+", name)
    return found[0] if found else name


def _form(tensor: torch.Tensor) -> str:
    dtype = "" if tensor.dtype in FLOATS else f" of {str(tensor.dtype).removeprefix('torch.')}"
    return f"{tuple(tensor.shape)}{dtype}"


def _nearest(fits: Sequence[Fit], wanted: Wanted, known: Sequence[str]) -> str:
    asked = [fit for fit in fits if wanted.architecture in (None, fit.layout.plan.architecture)]
    nearest = max(asked, key=lambda fit: (fit.likeness, len(fit.used)), default=None)
    if nearest is None or not nearest.used:
        return f"its tensors are none of a network that can be imported: {', '.join(known) or 'none is known'}"
    place = f" in {nearest.tensors.place}" if nearest.tensors.place else ""
    prefix = f", without {nearest.prefix!r:.100}" if nearest.prefix else ""
    misfits = misfits_in_words(nearest.misfits)
    return f"its tensors{place} fit no network that can be imported. Nearest is {nearest.layout.name}{prefix}: {misfits}"


def _ambiguous(fits: Sequence[Fit], wanted: Wanted) -> str:
    lines = [f"{fit.layout.name}: {fit.layout.plan.architecture}, fed {in_words(fit.input(wanted))}" for fit in fits]
    return (
        f"its tensors fit several published networks ({'; '.join(dict.fromkeys(lines))}). Say which by --architecture, "
        "--channel-order, --pixel-mean or --pixel-scale"
    )


def in_words(convention: InputConvention) -> str:
    """What a network is fed, for people: ``RGB, (pixel − 127.5) / 127.5``."""
    return f"{convention.channel_order.upper()}, (pixel − {convention.pixel_mean:g}) / {convention.pixel_scale:g}"

"""The bounds on what a client declares of its update, which the ledger records: images and losses.

A client's worker checks them before it has the update accepted. The aggregator checks them again: what is in the ledger may
have been written by anybody who is a client.
"""

from __future__ import annotations

from math import isfinite
from typing import Final

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.plan import Plan
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.update import AcceptedUpdate, RefusalReason

LARGEST_LOSS: Final = 1e9
"""In magnitude. The losses of all clients are averaged, so one must not hide the others; and their sum must be finite."""


def check_declaration(accepted: AcceptedUpdate, plan: Plan, kind: RoundKind) -> None:
    """`UpdateRefusedError` if an update of a round of this kind has more images than the plan can give a client, or has no
    losses of a training.
    """
    most = plan.data.most_images_of_a_client
    images = accepted.images
    if images is None or not 0 < images <= most:
        raise UpdateRefusedError(
            RefusalReason.WRONG_IMAGE_COUNT,
            f"the update is of {_shown(images)} images; by this plan a client has {most} at most "
            "(data.images_per_client, data.images_per_identity)",
        )
    if kind is RoundKind.TRAINING:
        for name, loss in (("loss_before", accepted.loss_before), ("loss_after", accepted.loss_after)):
            if loss is None or not isfinite(loss) or abs(loss) > LARGEST_LOSS:
                raise UpdateRefusedError(
                    RefusalReason.MALFORMED,
                    f"a training update needs losses from -{LARGEST_LOSS:g} to {LARGEST_LOSS:g}; its {name} is {loss}",
                )


def check_masked_declaration(accepted: AcceptedUpdate) -> None:
    """`UpdateRefusedError` if a masked update says anything of its client: the aggregator is to know the sum alone."""
    if (accepted.images, accepted.loss_before, accepted.loss_after) != (None, None, None):
        raise UpdateRefusedError(
            RefusalReason.MALFORMED, "a masked update declares neither images nor losses; this one does"
        )


def _shown(images: int | None) -> str:
    if images is None:
        return "an unknown number of"
    return str(images) if images < 10**18 else "10^18 or more"

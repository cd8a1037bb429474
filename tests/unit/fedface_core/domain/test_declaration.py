"""The bounds on what a client declares: at the bound it passes, beyond it is refused with the plan's figure."""

from __future__ import annotations

from typing import Any

import pytest

from fedface_core.domain.declaration import LARGEST_LOSS, check_declaration
from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.plan import Plan
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.update import AcceptedUpdate, RefusalReason

PLAN = Plan.model_validate({"data": {"dataset": "synthetic", "images_per_client": 5}})


def declared(**changes: Any) -> AcceptedUpdate:
    """A declaration as somebody has written it into the ledger, perhaps around the checks of the client's worker."""
    honest = AcceptedUpdate(sha256="0" * 64, size=1, images=5, loss_before=1.0, loss_after=0.5)
    return honest.model_copy(update=changes)


@pytest.mark.parametrize("kind", RoundKind)
def test_what_the_plan_allows_passes(kind: RoundKind) -> None:
    for images in (1, 5):
        check_declaration(declared(images=images), PLAN, kind)
    for loss in (LARGEST_LOSS, -LARGEST_LOSS, 0.0):
        check_declaration(declared(loss_before=loss, loss_after=loss), PLAN, kind)


@pytest.mark.parametrize("kind", RoundKind)
@pytest.mark.parametrize("images", [0, -1, 6, 10**9, 10**30])
def test_images_that_no_client_of_the_plan_has_are_refused(images: int, kind: RoundKind) -> None:
    with pytest.raises(UpdateRefusedError, match="by this plan a client has 5 at most") as refused:
        check_declaration(declared(images=images), PLAN, kind)
    assert refused.value.reason is RefusalReason.WRONG_IMAGE_COUNT
    assert len(str(refused.value)) < 200, "no number of thousands of digits"


@pytest.mark.parametrize("loss", [None, float("nan"), float("inf"), -1.1e9, 1.7e308])
@pytest.mark.parametrize("name", ["loss_before", "loss_after"])
def test_a_loss_that_is_none_is_refused_of_a_training(name: str, loss: float | None) -> None:
    with pytest.raises(UpdateRefusedError, match=f"its {name} is") as refused:
        check_declaration(declared(**{name: loss}), PLAN, RoundKind.TRAINING)
    assert refused.value.reason is RefusalReason.MALFORMED
    check_declaration(declared(**{name: loss}), PLAN, RoundKind.ENROLMENT)

"""The digest of an accepted set names who was accepted, with which bytes."""

from __future__ import annotations

import pytest

from fedface_core.domain.ids import client_id
from fedface_core.domain.update import AcceptedUpdate, accepted_digest, digest_in_order

ACCEPTED = {client_id(index): AcceptedUpdate(sha256=f"{index:064x}", size=10, images=3) for index in (4, 2, 9)}


def test_a_digest_does_not_depend_on_the_order_of_the_set() -> None:
    digest = accepted_digest(ACCEPTED)
    assert len(digest) == 16
    assert accepted_digest(dict(sorted(ACCEPTED.items()))) == digest
    assert digest_in_order(iter(sorted(ACCEPTED.items()))) == digest


@pytest.mark.parametrize("field", ["sha256", "images"])
def test_other_bytes_or_weights_have_another_digest(field: str) -> None:
    first, *_ = ACCEPTED
    changed = ACCEPTED[first].model_copy(update={field: {"sha256": "f" * 64, "images": 4}[field]})
    assert accepted_digest(ACCEPTED | {first: changed}) != accepted_digest(ACCEPTED)


def test_other_clients_have_another_digest() -> None:
    fewer = dict(list(ACCEPTED.items())[:2])
    assert len({accepted_digest(ACCEPTED), accepted_digest(fewer), accepted_digest({})}) == 3

"""What a client does in a round, from images to the bytes that it uploads. The client service and the simulation call it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fedface_core.domain.plan import Plan
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.learning.codec import encode_tensors, sha256_hex
from fedface_core.learning.enrolment import mean_embedding
from fedface_core.learning.local_training import train_locally
from fedface_core.learning.models import EmbeddingNetwork
from fedface_core.learning.seeding import derive_seed
from fedface_core.learning.strategies import NOTHING, Tensors
from fedface_core.learning.update_checks import MEAN_EMBEDDING
from fedface_core.learning.update_encoding import encode_residual, update_encoding_of
from fedface_core.learning.weights import network_tensors


@dataclass(frozen=True)
class Update:
    """The object to put, and what the ledger is to record of it once it is put."""

    data: bytes
    accepted: AcceptedUpdate
    residual: bytes | None = None
    """What the encoding left out, with error feedback: for the client itself, once this update has counted."""


def enrolment_update(network: EmbeddingNetwork, images_NCHW: Tensor, plan: Plan) -> Update:
    """Round 0: the mean embedding of a client's images by the initial network."""
    mean_D = mean_embedding(network, images_NCHW, centring=plan.model.centring)
    images = len(images_NCHW)
    data = encode_tensors({MEAN_EMBEDDING: mean_D}, {"images": images})
    return Update(data, AcceptedUpdate(sha256=sha256_hex(data), size=len(data), images=images))


def training_update(
    network: EmbeddingNetwork,
    images_NCHW: Tensor,
    class_embedding_D: Tensor,
    plan: Plan,
    number: int,
    client: str,
    *,
    started_from: str | None = None,
    guidance: Tensors = NOTHING,
    residual_P: Tensor | None = None,
) -> Update:
    """Round ``number``: the global model ``network``, trained in place on a client's images.

    The update says which model version it ``started_from``, where that has a name. ``residual_P`` is what the client's last
    update that counted had left out, with error feedback.
    """
    encoding = update_encoding_of(plan)
    global_model = {} if encoding.change is None else {name: each.clone() for name, each in network_tensors(network).items()}
    seed = derive_seed(plan.seed, number, client)
    result = train_locally(network, images_NCHW, class_embedding_D, plan, number, seed, guidance)
    images = len(images_NCHW)
    metadata: dict[str, Any] = {
        "images": images,
        "loss_before": result.before,
        "loss_after": result.after,
        "started_from": started_from,
    }
    model, left_P = encoding.encode(network_tensors(network), global_model, residual_P)
    assert not model.keys() & result.uploads.keys(), "what is uploaded beside the model has names of its own"
    residual = None if left_P is None else encode_residual(left_P)
    if residual is not None:
        metadata["residual_sha256"] = sha256_hex(residual)
    data = encode_tensors({**model, **result.uploads}, metadata)
    accepted = AcceptedUpdate.model_validate(metadata | {"sha256": sha256_hex(data), "size": len(data)})
    return Update(data, accepted, residual)

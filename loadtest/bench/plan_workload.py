"""The bare loop's workload, made from a plan, so that FedFace and the bare loop train equal clients from one model."""

from __future__ import annotations

import torch
from torch import Tensor

from fedface_core.domain.plan import Plan
from fedface_learning.client.batches import uses_all_unaugmented
from fedface_learning.data import open_photographs
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.models.weights import network_tensors
from fedface_learning.simulation.federated_rounds import Federation
from fedface_learning.simulation.simulation_data import SimulationData
from loadtest.bare.workload import LocalTraining, NetworkShape, Spreadout, Workload


def enrolled_workload(plan: Plan) -> Workload:
    """Open the plan's photographs and enrol its clients, as a run does. All clients must have equally many images."""
    data = SimulationData.of(plan, open_photographs(plan))
    network = initial_network(plan.model, plan.seed)
    enrolled = Federation(plan, network, data).enrol()
    class_embeddings_CD = decode_class_embeddings(enrolled.class_embeddings, plan.model.embedding_size)
    return workload_of(plan, torch.stack([*data.images.values()]), class_embeddings_CD, network)


def workload_of(plan: Plan, images_CNCHW: Tensor, class_embeddings_CD: Tensor, network: EmbeddingNetwork) -> Workload:
    """The workload of the plan's rounds.

    ``images_CNCHW`` are uint8: client, image, channel, row, column. ``class_embeddings_CD`` are unit rows, float32, one for
    each client. ``network`` has the initial weights.
    """
    model = plan.model
    local = plan.local_training
    spreadout = plan.spreadout
    assert uses_all_unaugmented(local, images_CNCHW.shape[1]), "the bare loop knows no batches and no augmentation"
    return Workload(
        network=NetworkShape(
            architecture=model.architecture,
            channels=model.channels,
            height=model.height,
            width=model.width,
            widths=model.widths,
            embedding_size=model.embedding_size,
        ),
        local=LocalTraining(
            steps=local.steps, learning_rate=local.learning_rate, momentum=local.momentum, margin=local.margin
        ),
        spreadout=Spreadout(
            steps=spreadout.steps,
            learning_rate=spreadout.learning_rate,
            weight=spreadout.weight,
            margin=spreadout.margin,
        ),
        images_CNCHW=images_CNCHW,
        class_embeddings_CD=class_embeddings_CD,
        initial={name: tensor.clone() for name, tensor in network_tensors(network).items()},
        plan=plan.model_dump_json(),
    )

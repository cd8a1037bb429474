"""The bare loop trains as FedFace does."""

from __future__ import annotations

import pytest
import torch

from fedface_core.domain.ids import client_id
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from loadtest.bare.loop import BareLoop
from support.small_networks import TINY
from support.small_workload import small_workload


@pytest.mark.parametrize("channels_last", [False, True])
def test_its_training_is_that_of_fedface(channels_last: bool) -> None:
    plan, network, workload = small_workload(TINY)
    images_NCHW = workload.images_CNCHW[0]
    row_D = workload.class_embeddings_CD[0]
    loop = BareLoop(workload.network, workload.local, channels_last=channels_last)
    loop.load(workload.initial)
    loop.train(images_NCHW.flip(0), -row_D)
    loop.load(workload.initial)  # and no trace is left of that one
    loop.train(images_NCHW, row_D)
    ours = LocalTrainer(network).train(Trainee(client_id(0), images_NCHW, row_D), TrainingRound(plan, 1)).model
    assert loop.state.keys() == ours.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(loop.state[name], tensor, rtol=1e-5, atol=1e-6)

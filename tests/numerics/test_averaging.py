"""The weighted average against sums done by hand, and over shards."""

from __future__ import annotations

import io

import torch
from torch import Tensor, nn

from fedface_learning.aggregation.averaging import StoredSum, WeightedSum
from fedface_learning.formats.codec import encode_tensors
from fedface_learning.formats.stored_tensors import StoredTensors

Model = dict[str, Tensor]


def models(count: int) -> list[Model]:
    draws = torch.Generator().manual_seed(3)
    return [
        {"weight": torch.randn(3, 4, generator=draws), "count": torch.randint(100, (), generator=draws)}
        for _ in range(count)
    ]


def summed(of: list[Model], weights: list[int]) -> WeightedSum:
    total = WeightedSum()
    for model, weight in zip(of, weights, strict=True):
        total.add(model, weight)
    return total


def test_three_clients_worked_by_hand() -> None:
    # n = 1, 2, 5, so Σ n = 8.
    # a: (1·2 + 2·(−1) + 5·4) / 8 = 20/8 = 2.5;   (1·0 + 2·3 + 5·(−2)) / 8 = −4/8 = −0.5
    # b: (1·8 + 2·8 + 5·0) / 8 = 24/8 = 3
    # batches: an integer, so the largest of 7, 9, 4
    clients = [
        ({"a": torch.tensor([2.0, 0.0]), "b": torch.tensor(8.0), "batches": torch.tensor(7)}, 1),
        ({"a": torch.tensor([-1.0, 3.0]), "b": torch.tensor(8.0), "batches": torch.tensor(9)}, 2),
        ({"a": torch.tensor([4.0, -2.0]), "b": torch.tensor(0.0), "batches": torch.tensor(4)}, 5),
    ]
    total = WeightedSum()
    for model, images in clients:
        total.add(model, images)
    average = total.average(clients[0][0])
    assert average["a"].tolist() == [2.5, -0.5]
    assert average["b"].item() == 3.0
    assert average["batches"].item() == 9
    assert [tensor.dtype for tensor in average.values()] == [torch.float32, torch.float32, torch.int64]


def test_equal_weights_give_the_mean() -> None:
    of = models(7)
    average = summed(of, [10] * 7).average(of[0])
    torch.testing.assert_close(average["weight"], torch.stack([model["weight"] for model in of]).double().mean(0).float())


def test_one_client_gives_its_own_model_to_the_bit() -> None:
    (model,) = models(1)
    average = summed([model], [11]).average(model)
    assert all(torch.equal(average[name], model[name]) for name in model)


def test_adding_leaves_the_update_as_it_was() -> None:
    of = models(3)
    before = [{name: tensor.clone() for name, tensor in model.items()} for model in of]
    summed(of, [1, 2, 3])
    assert all(torch.equal(model[name], old[name]) for model, old in zip(of, before, strict=True) for name in model)


def test_shards_merge_to_the_one_sum_and_to_the_same_bytes_every_time() -> None:
    of = models(10)
    weights = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]

    def sharded() -> WeightedSum:
        total = WeightedSum()
        for first in range(0, 10, 4):
            shard = summed(of[first : first + 4], weights[first : first + 4])
            stored = StoredTensors(io.BytesIO(encode_tensors(shard.tensors())))  # as a partial
            total.merge(StoredSum(stored, stored.places, shard.weight))
        return total

    whole = summed(of, weights)
    merged = sharded()
    assert merged.weight == whole.weight == 39
    assert merged.tensors()["weight"].dtype == torch.float64
    torch.testing.assert_close(merged.tensors()["weight"], whole.tensors()["weight"], rtol=1e-14, atol=0)
    assert encode_tensors(merged.tensors()) == encode_tensors(sharded().tensors())
    assert torch.equal(merged.average(of[0])["weight"], whole.average(of[0])["weight"])


def test_merging_leaves_the_partial_as_it_was() -> None:
    partial = summed(models(2), [1, 1])
    before = encode_tensors(partial.tensors())
    total = WeightedSum()
    total.merge(partial)
    total.merge(summed(models(2), [1, 1]))
    assert encode_tensors(partial.tensors()) == before


def test_batch_norm_statistics_are_averaged_and_its_counter_takes_the_largest() -> None:
    clients = []
    for scale, batches in ((1.0, 2), (3.0, 5)):
        network = nn.BatchNorm2d(4)
        for _ in range(batches):
            network(scale * torch.randn(6, 4, 3, 3))
        clients.append({name: tensor.detach().clone() for name, tensor in network.state_dict().items()})
    average = summed(clients, [1, 3]).average(clients[0])
    expected = (clients[0]["running_var"].double() + 3 * clients[1]["running_var"].double()) / 4
    torch.testing.assert_close(average["running_var"], expected.float())
    assert average["num_batches_tracked"].item() == 5

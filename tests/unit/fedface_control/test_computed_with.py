"""A manifest says what its round was computed with: the aggregator's torch, and each build of the workers there."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
import torch

from fedface_control.computed_with import computed_with
from fedface_control.records import save_ended_round
from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import MOST_BUILDS, Computed, Manifest
from fedface_core.domain.device_kinds import DeviceKind
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.plan.compute import ComputePlan
from fedface_core.domain.results import Scores
from fedface_core.domain.round import Round
from fedface_core.ports import WorkerPresence
from support.control_rounds import NOW, RUN, Control, an_aggregation
from support.in_process import InProcess
from support.tiny_run import tiny_plan, write_faces

SCORES = Scores(
    tar={"1e-1": 0.8}, auc=0.9, eer=0.1, genuine_pairs=1, impostor_pairs=1, mean_genuine_cosine=0.5, mean_impostor_cosine=0.1
)


def worker(name: str, torch_version: str | None, gpu: str | None = None, device: DeviceKind = "cuda") -> WorkerPresence:
    return WorkerPresence(name=name, device=device, processes=1, torch=torch_version, gpu=gpu)


class Ended:
    """A round that has ended, and the workers that say they are there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.control = Control.empty()
        self.run = self.control.open()
        self.there: dict[str, Sequence[WorkerPresence]] = {}
        monkeypatch.setattr(self.control.publisher, "workers", lambda queue: self.there.get(queue, ()))

    def round(self, *, scored: bool) -> Round:
        current = self.control.ledger.load_round(RUN, 0)
        if not scored:
            return current.abandoned(NOW, "nobody answered")
        aggregation = an_aggregation().model_copy(update={"torch": "2.13.0+cpu"})
        return current.closed(NOW).aggregated(aggregation).evaluated(SCORES, NOW)

    def computed(self, *, scored: bool = True, device: DeviceKind = "cuda") -> Computed:
        return computed_with(self.control.ports, ComputePlan(device=device), self.round(scored=scored))


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Ended:
    return Ended(monkeypatch)


def builds(computed: Computed) -> list[tuple[str, str | None, str | None]]:
    assert computed.workers is not None
    return [(build.service, build.torch, build.gpu) for build in computed.workers]


def test_clients_on_a_gpu_are_told_from_the_aggregator_on_a_cpu(ended: Ended) -> None:
    ended.there = {
        "client-cuda": [worker("a", "2.13.0+cu130", "NVIDIA H100"), worker("b", "2.13.0+cu130", "NVIDIA H100")],
        "evaluator-cuda": [worker("c", "2.13.0+cu130", "NVIDIA H200")],
        "client": [worker("d", "2.12.0", device="cpu")],
    }
    computed = ended.computed()
    assert (computed.device, computed.torch, computed.other_builds) == ("cuda", "2.13.0+cpu", 0)
    assert builds(computed) == [
        ("client", "2.13.0+cu130", "NVIDIA H100"),
        ("evaluator", "2.13.0+cu130", "NVIDIA H200"),
    ]
    assert builds(ended.computed(device="cpu")) == [("client", "2.12.0", None)], "other queues are of other runs"


def test_workers_that_differ_are_all_named_and_one_that_said_nothing_too(ended: Ended) -> None:
    said = [worker("a", "2.13.0", "NVIDIA H200"), worker("b", None), worker("c", "2.13.0", "NVIDIA H100")]
    ended.there = {"client-cuda": said, "evaluator-cuda": said[:1]}
    named = [("client", None, None), ("client", "2.13.0", "NVIDIA H100"), ("client", "2.13.0", "NVIDIA H200")]
    assert builds(ended.computed()) == [*named, ("evaluator", "2.13.0", "NVIDIA H200")]
    assert builds(ended.computed(scored=False)) == named, "nothing was evaluated"


def test_so_many_builds_are_named_and_the_others_counted(ended: Ended) -> None:
    ended.there = {"client-cuda": [worker(str(index), f"2.{index}") for index in range(MOST_BUILDS + 3)]}
    computed = ended.computed()
    assert (len(builds(computed)), computed.other_builds) == (MOST_BUILDS, 3)


def test_nobody_there_is_unknown(ended: Ended) -> None:
    assert ended.computed().workers is None


def test_a_broker_that_is_away_keeps_no_round_from_its_end(ended: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(queue: str) -> Sequence[WorkerPresence]:
        raise UnavailableError(f"no broker has {queue}")

    monkeypatch.setattr(ended.control.publisher, "workers", away)
    save_ended_round(ended.control.ports, ended.run, "round_finished", ended.round(scored=True))
    stored = Manifest.model_validate_json(ended.control.artifacts.get(object_keys.manifest(RUN, 0)))
    assert stored.computed == Computed(device="cpu", precision="float32", torch="2.13.0+cpu")


def test_manifests_of_earlier_versions_are_read(ended: Ended) -> None:
    ended.there = {"client": [worker("a", "2.13.0", device="cpu")]}
    save_ended_round(ended.control.ports, ended.run, "round_finished", ended.round(scored=True))
    document = json.loads(ended.control.artifacts.get(object_keys.manifest(RUN, 0)))
    assert document["computed"].pop("workers") == [{"service": "client", "torch": "2.13.0", "gpu": None}]
    del document["computed"]["other_builds"]
    before = Manifest.model_validate(document).computed
    assert before == Computed(device="cpu", precision="float32", torch="2.13.0+cpu", workers=None)
    del document["computed"]
    assert Manifest.model_validate(document).computed is None


def test_the_services_leave_such_a_manifest(tmp_path_factory: pytest.TempPathFactory) -> None:
    services = InProcess(tiny_plan(write_faces(tmp_path_factory.mktemp("faces")), rounds=1))
    computed = services.manifest(services.run().id, 1).computed
    assert computed is not None
    assert (computed.device, computed.precision, computed.torch) == ("cpu", "float32", torch.__version__)
    assert builds(computed) == [("client", None, None), ("evaluator", None, None)], "they do not say what they are"

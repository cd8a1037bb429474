"""``python -m support.run_digests``: prints the SHA-256 of the results of runs of every kind, one a line.

Compare the lines of two states of the code on one machine: a change that must not change results leaves every line as it
was. For a run on the services there are lines for the model, every object in the store, the audit trail, and each effect on
the ports in order. Other processors and other versions of torch round differently, so no lines are kept in the repository.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run
from fedface_learning.data import open_photographs, split_identities
from fedface_learning.models import initial_network
from fedface_learning.models.weights import encode_network
from fedface_learning.pretraining import PretrainPlan, pretrain
from fedface_learning.seeding import use_deterministic_torch
from fedface_learning.simulation.simulate import simulate
from support.described_api import described_api
from support.in_process import Disorder, InProcess
from support.slow_clients import make_slow
from support.tiny_run import tiny_plan, write_faces

Digest = tuple[str, str]
"""What was digested, and the SHA-256 of that or of the model."""

BATCH_NORM = {
    "architecture": "mobilefacenet",
    "height": 16,
    "width": 16,
    "channels": 1,
    "embedding_size": 4,
    "widths": [4, 8, 8],
}

# What each kind of run changes of the tiny plan. These plans are simulated and run on the services.
KINDS: dict[str, dict[str, Any]] = {
    "fedface": {},
    "random-start": {"initialisation": "random"},
    "centring": {"model": {"centring": True}},
    "no-spreadout": {"spreadout": {"steps": 0}},
    "batches": {"local_training": {"steps": 3, "batch_size": 1}},
    "schedule": {"local_training": {"steps": 3, "schedule": "cosine", "final_learning_rate": 0.1, "final_steps": 1}},
    "losses-seen": {"local_training": {"steps": 2, "losses": "seen"}},
    "augmented": {"local_training": {"steps": 2, "flip": True, "shift": 1}},
    "small-cohort": {"cohort": {"size": 3, "shard_size": 2}},
    "balanced": {"cohort": {"size": 2, "selection": "balanced"}},
    "fedavg": {"strategy": "fedavg"},
    "fedprox": {"strategy": {"name": "fedprox", "proximal": 1.0}},
    "fedaws": {"strategy": "fedaws"},
    "fedaws-adam": {"strategy": "fedaws", "aggregation": {"optimiser": "adam"}},
    "momentum": {"aggregation": {"optimiser": "momentum"}},
    "yogi": {"aggregation": {"optimiser": "yogi"}},
    "public-negatives": {
        "strategy": "public-negatives",
        "split": {"public": 2},
        "local_training": {"flip": True, "shift": 2},
        "aggregation": {"optimiser": "adam"},
        "model": {"centring": True},
    },
    "gaussian-negatives": {
        "strategy": "gaussian-negatives",
        "split": {"public": 2},
        "local_training": {"flip": True, "shift": 2, "learning_rate": 0.001},
        "aggregation": {"optimiser": "adam"},
    },
    "anchor": {
        "strategy": {"name": "gaussian-negatives", "contrast": "clients", "anchor": 10.0},
        "local_training": {"flip": True, "shift": 2, "learning_rate": 0.001},
    },
    "sgd": {
        "aggregation": {"optimiser": {"name": "sgd", "weight_decay": 0.01}},
        "local_training": {"schedule": "one-cycle"},
    },
    "strong-augmentation": {
        "local_training": {"steps": 2, "augmentation": {"name": "strong", "gamma": 0.3, "reduction": 2, "blur": 1}}
    },
    "public-batch": {
        "strategy": {"name": "public-negatives", "public_batch": 3, "guidance_every": 2},
        "split": {"public": 2},
        "local_training": {"augmentation": "strong"},
        "aggregation": {"optimiser": "sgd"},
    },
    "feduv": {"strategy": "feduv"},
    "fedfv": {"strategy": {"name": "fedfv", "group_size": 3}, "split": {"clients": 6}},
    "fedfr": {
        "strategy": {"name": "fedfr", "hard_negatives": 2, "shared_photographs": 3},
        "split": {"public": 2},
        "local_training": {"steps": 2},
    },
    "float16": {"update_encoding": {"name": "float16", "error_feedback": True}},
    "int8": {"update_encoding": "int8"},
    "top-k": {"update_encoding": {"name": "top-k", "share": 0.2}},
    "batch-norm": {"model": BATCH_NORM},
    "phones": {"devices": {"profile": "phones"}},
}
# These plans are simulated only.
SIMULATED: dict[str, dict[str, Any]] = {
    "vectorised": {"local_training": {"steps": 2, "vectorised_clients": 3}},
    "vectorised-fedaws": {"strategy": "fedaws", "local_training": {"steps": 2, "vectorised_clients": 2, "losses": "seen"}},
    "vectorised-batch-norm": {
        "model": BATCH_NORM,
        "local_training": {"vectorised_clients": 4, "flip": True, "batch_size": 1},
    },
    "vectorised-centring": {"model": {"centring": True}, "local_training": {"vectorised_clients": 4}},
    "centralised": {"strategy": {"name": "centralised", "epochs": 3}, "split": {"public": 2}},
    "chained": {"strategy": "chained", "local_training": {"steps": 2}},
    "paper-code": {"spreadout": {"weight": 1.0, "step": "pair-mean", "momentum": 0.9, "at_enrolment": False}},
    "local-only": {"strategy": {"name": "local-only", "scored_clients": 2}},
}
ORL = {
    "data": {"dataset": "orl", "low_resolution": 20},
    "split": {"clients": 5, "test": 10},
    "local_training": {"steps": 1, "learning_rate": 1e-4},
    "rounds": 1,
}
RENDERED = {
    "model": {
        "architecture": "spherenet-4",
        "height": 56,
        "width": 48,
        "channels": 1,
        "embedding_size": 64,
        "widths": [8, 16, 32, 64],
    },
    "data": {"dataset": "synthetic", "images_per_identity": 6},
    "split": {"clients": 12, "test": 8},
    "rounds": 2,
}
IN_ORDER = Disorder()
IN_DISORDER = Disorder(3, reorder=True, duplicate=0.25, drop=0.15, stray_sweep=0.1)
KILL_AFTER = 50
"""The number of the effect on the ports after which a service is killed."""


def main() -> None:
    """Print every digest as `sha256sum` does."""
    use_deterministic_torch(1)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory() as folder:
        faces = write_faces(Path(folder) / "faces", identities=10)
        for name, digest in every_digest(faces):
            print(f"{digest}  {name}", flush=True)


def every_digest(faces: Path) -> Iterator[Digest]:
    """The digests of all kinds of runs on the photographs in ``faces``, of pre-training, the plan's schema and the API's."""
    for name, changes in KINDS.items():
        yield from of_kind(name, tiny_plan(faces, rounds=3, retention={"rounds_of_updates": 100}, **changes))
    for name, changes in SIMULATED.items():
        yield f"simulated {name}", of_simulation(tiny_plan(faces, rounds=3, **changes))
    for seed in range(3):
        yield from of_asynchronous(f"services asynchronous {seed}", faces, seed)
    yield "pre-trained", of_pretraining(faces)
    yield "simulated orl dlib", of_simulation(Plan.model_validate(ORL))
    yield "simulated synthetic spherenet-4", of_simulation(Plan.model_validate(RENDERED))
    yield "plan schema", sha256(json.dumps(Plan.model_json_schema(), sort_keys=True))
    yield "openapi", sha256(json.dumps(described_api(), sort_keys=True))


def of_kind(name: str, plan: Plan) -> Iterator[Digest]:
    """The digests of a simulated plan, and of the plan on the services: in order, in disorder, in disorder with a kill."""
    if not plan.devices.simulated:
        yield f"simulated {name}", of_simulation(plan)
    yield from of_services(f"services {name} in-order", InProcess(plan, IN_ORDER))
    yield from of_services(f"services {name} disorder", InProcess(plan, IN_DISORDER))
    yield from of_services(f"services {name} killed", InProcess(plan, IN_DISORDER, kill_after=KILL_AFTER))


def of_simulation(plan: Plan) -> str:
    """The digest of a simulated run: its model, and the aggregation and the scores of each round."""
    result = simulate(plan)
    rounds = [
        (
            done.number,
            done.aggregation.model_dump_json(),
            done.verification and done.verification.scores.model_dump_json(),
        )
        for done in result.rounds
    ]
    return sha256(json.dumps([result.model_sha256, rounds]))


def of_services(name: str, services: InProcess) -> Iterator[Digest]:
    """The digests of a run on the services, which is run to its end."""
    yield from of_ended(name, services, services.run())


def of_asynchronous(name: str, faces: Path, seed: int) -> Iterator[Digest]:
    """The digests of an asynchronous run whose tasks go back to the queue a few times, drawn by ``seed``."""
    plan = tiny_plan(
        faces,
        split={"clients": 8},
        cohort={"size": 6, "quorum": 2, "shard_size": 2},
        aggregation={"mode": "asynchronous"},
        rounds=5,
        retention={"rounds_of_updates": 100},
    )
    services = InProcess(plan)
    run_id = services.start()
    make_slow(services, seed)
    yield from of_ended(name, services, services.to_end(run_id))


def of_ended(name: str, services: InProcess, run: Run) -> Iterator[Digest]:
    """The digests of what an ended run leaves: model, objects, audit trail, and the effects on the ports in order."""

    drawn = {run.id: "RUN", run.correlation_id: "CORRELATION", str(run.plan.data.folder): "FACES"}

    def without_names(text: str) -> str:
        for name, stand_in in drawn.items():
            text = text.replace(name, stand_in)
        return text

    objects = {}
    for key in services.ports.artifacts.keys(""):
        data = services.ports.artifacts.get(key)
        same_in_every_run = without_names(data.decode()).encode() if key.endswith(".json") else data
        objects[without_names(key)] = hashlib.sha256(same_in_every_run).hexdigest()
    events = [(event.name, dict(event.data)) for event in services.ports.ledger.events(run.id)]
    effects = services.effect_log.effects
    yield f"{name}: model", str(run.model_sha256)
    yield f"{name}: {len(objects)} objects", sha256(json.dumps(objects, sort_keys=True))
    yield f"{name}: {len(events)} events", sha256(without_names(json.dumps(events)))
    yield f"{name}: {len(effects)} effects", sha256(without_names("\n".join(effects)))


def of_pretraining(faces: Path) -> str:
    """The digest of a network that was pre-trained on public identities."""
    plan = tiny_plan(faces, split={"public": 4})
    network = initial_network(plan.model, plan.seed)
    opened = open_photographs(plan)
    public = split_identities(opened.identities, plan.split).public
    pretrain(network, opened, public, PretrainPlan(epochs=3, batch_size=4))
    return hashlib.sha256(encode_network(network)).hexdigest()


def sha256(text: str) -> str:
    """The SHA-256 of a text, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    main()

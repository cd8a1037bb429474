"""Runs that have ended, with all that a run leaves in the ledger and in the store. Nothing is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Aggregation, RocCurve, Scores, VerificationReport
from fedface_core.domain.round import Round, open_round
from fedface_core.domain.run import Run
from fedface_core.domain.update import AcceptedUpdate, accepted_digest
from fedface_core.ports import EndedRound, Ports

CLIENTS: Final = 4
PLAN: Final = Plan.model_validate({"name": "ended", "split": {"clients": CLIENTS, "test": 2}, "rounds": 1})

_THREADS: Final = 8
_FIRST_CREATED: Final = datetime(2026, 1, 1, tzinfo=UTC)
_SCORES: Final = Scores(
    tar={"1e-3": 0.5},
    auc=0.9,
    eer=0.1,
    genuine_pairs=2,
    impostor_pairs=2,
    mean_genuine_cosine=0.5,
    mean_impostor_cosine=0.0,
)


def run_id(index: int) -> str:
    """The id of the run with this index."""
    return f"run-{_sha256('run', index)[:12]}"


def put_ended_runs(ports: Ports, count: int) -> None:
    """Put ``count`` runs into the store and the ledger, as enrolment and one training round of `CLIENTS` clients leave them.

    The runs have one initial model, as runs of one plan have, and each has a model version of its own. No object is missing,
    but model versions, class embeddings, updates and partials have a few bytes only.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(partial(_put_ended_run, ports), range(count)):
            pass


def _put_ended_run(ports: Ports, index: int) -> None:
    """In the order in which services put and record."""
    run, ended = _ended_run(index)
    for key, data in _objects(run, ended):
        ports.artifacts.put(key, data)
    ports.ledger.restore(run, ended)


def _ended_run(index: int) -> tuple[Run, list[EndedRound]]:
    created = _FIRST_CREATED + timedelta(seconds=index)
    cohort = tuple(client_id(number) for number in range(CLIENTS))
    run = Run(id=run_id(index), plan=PLAN, correlation_id=_sha256("work", index)[:32], created_at=created).started(created)
    initial = _sha256("initial model")
    ended: list[EndedRound] = []
    before: Round | None = None
    for number, (started_from, model) in enumerate(((initial, initial), (initial, _sha256("model", index)))):
        opened = open_round(PLAN, run.id, number, cohort, started_from, created, base=before)
        aggregation = Aggregation(
            model_sha256=model,
            class_embeddings_sha256=_sha256("class embeddings", index, number),
            folded=CLIENTS,
            images=CLIENTS,
            uploaded_bytes=CLIENTS,
            refused={},
            update_norm=1.0 if number else None,
            loss_before=1.0 if number else None,
            loss_after=0.5 if number else None,
            spreadout_loss=0.0,
            mean_off_diagonal_cosine=0.0,
            max_off_diagonal_cosine=0.0,
        )
        before = opened.closed(created).aggregated(aggregation).evaluated(_SCORES, created)
        ended.append(EndedRound(before, _accepted(index, number, started_from if number else None), {}))
        run = run.in_round(number).starting_from(number, model).with_finished_round(number)
    return run.completed(created, "all rounds").replace(version=10), ended


def _accepted(index: int, number: int, started_from: str | None) -> dict[str, AcceptedUpdate]:
    return {
        client_id(client): AcceptedUpdate(
            sha256=_sha256("update", index, number, client), size=1, images=1, started_from=started_from
        )
        for client in range(CLIENTS)
    }


def _objects(run: Run, rounds: list[EndedRound]) -> Iterator[tuple[str, bytes]]:
    """Every object of the run, with its key."""
    yield object_keys.run(run.id), run.model_dump_json(indent=1).encode()
    for ended in rounds:
        yield from _objects_of_round(run, ended.record, ended.accepted)


def _objects_of_round(run: Run, done: Round, accepted: Mapping[str, AcceptedUpdate]) -> Iterator[tuple[str, bytes]]:
    aggregation = done.aggregation
    assert aggregation is not None, "the round has finished"
    number = done.number
    digest = accepted_digest(accepted)
    manifest = Manifest(run=run, round=done, accepted=dict(accepted), failed={}, enrolled=done.cohort)
    report = VerificationReport(
        run_id=run.id, round=number, model_sha256=aggregation.model_sha256, scores=_SCORES, roc=RocCurve(far=[], tar=[])
    )
    for client in accepted:
        yield object_keys.update(run.id, number, client), b"update"
    yield object_keys.partial(run.id, number, 0, digest), b"partial"
    yield object_keys.claim(aggregation.model_sha256, run.id), b""
    yield object_keys.model(aggregation.model_sha256), b"model version"
    assert aggregation.class_embeddings_sha256 is not None, "made above"
    yield object_keys.class_embeddings(run.id, aggregation.class_embeddings_sha256), b"class embeddings"
    yield object_keys.aggregation(run.id, number, digest), aggregation.model_dump_json(indent=1).encode()
    yield object_keys.report(run.id, number), report.model_dump_json().encode()
    yield object_keys.manifest(run.id, number), manifest.model_dump_json().encode()


def _sha256(*of: str | int) -> str:
    return hashlib.sha256(" ".join(map(str, of)).encode()).hexdigest()

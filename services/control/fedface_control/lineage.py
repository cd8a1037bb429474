"""Where model versions come from: which run and round made each, and from which model version.

The ledger knows: a round's record names the model that its cohort started from and the one that it made. Uploaded models
have marks in the artifact store. Each function reads a bounded part of both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from fedface_control.upkeep.claims import is_uploaded
from fedface_core.contracts import object_keys
from fedface_core.contracts.http import ModelCard, ModelList, ModelVersion
from fedface_core.contracts.schema_version import UNREADABLE
from fedface_core.domain.errors import ArtifactMissingError, InvalidInputError, NotFoundError
from fedface_core.domain.ids import RUN_ID_PATTERN
from fedface_core.domain.network_size import network_size
from fedface_core.domain.round import RoundState
from fedface_core.domain.run import Run
from fedface_core.ports import Ports, RunLedger
from fedface_core.runtime.readable_rounds import readable_rounds

RUNS_LOOKED_AT: Final = 100
"""How many runs one page looks at. Runs that have not started have no models, and there may be thousands of them."""
RUNS_NAMED: Final = 20
"""How many of the runs that name a model its card looks at. Runs of equal plans make equal models."""
ROUNDS_LOOKED_AT: Final = 200
"""How many rounds of a run a card looks at if the run's claim does not name the round: it is of an earlier version then."""
_CLAIM_BYTES: Final = 10
_RUNS_AT_ONCE: Final = 10  # a plan may take megabytes
_NEW: Final = -2  # the place before all models of a run
_PREPARED: Final = -1  # the place of the model that a run begins with; others have the number of their round
_AFTER_ALL: Final = 10**9  # no number of a round is as large
_PLACE: Final = re.compile(rf"({RUN_ID_PATTERN})/(-?[0-9]{{1,10}})")


def model_page(ports: Ports, after: str, limit: int) -> ModelList:
    """The first ``limit`` model versions after the place ``after``, which is `next` of the page before, or empty.

    `InvalidInputError` if ``after`` is no such place; `NotFoundError` if its run was deleted meanwhile.
    """
    if after.startswith(object_keys.UPLOADS):
        return _with_uploads(ports, after, limit, [])
    first_run, first_place = _parsed(after)
    found: list[ModelVersion] = []
    for looked_at, run in enumerate(_runs_from(ports.ledger, first_run), start=1):
        before = first_place if run.id == first_run else _NEW
        for place, version in _versions(ports.ledger, run, before, limit - len(found)):
            found.append(version)
            if len(found) == limit:
                return ModelList(models=found, next=f"{run.id}/{place}")
        if looked_at == RUNS_LOOKED_AT:
            return ModelList(models=found, next=f"{run.id}/{_AFTER_ALL}")
    return _with_uploads(ports, "", limit, found)


def model_card(ports: Ports, sha256: str) -> ModelCard:
    """What is known of a model version. `ArtifactMissingError` if the store has none of this name."""
    size = ports.artifacts.size(object_keys.model(sha256))
    claims = ports.artifacts.page(object_keys.claims(sha256), "", RUNS_NAMED)
    used_by: list[str] = []
    made_by: list[ModelVersion] = []
    plan = None
    for claim in claims:
        _, run_id = object_keys.parse_claim_key(claim.key)
        try:
            run = ports.ledger.load(run_id)
        except (NotFoundError, *UNREADABLE):  # deleted, lost, or of another version: its models are still models
            continue
        used_by.append(run_id)
        version = _made_in(ports, run, claim.key, sha256)
        if version is not None:
            made_by.append(version)
            plan = plan or run.plan
    return ModelCard(
        sha256=sha256,
        size=size,
        uploaded=is_uploaded(ports.artifacts, sha256),
        made_by=made_by,
        used_by=used_by,
        plan=plan,
        parameters=None if plan is None else network_size(plan.model).parameters,
    )


def _parsed(after: str) -> tuple[str | None, int]:
    if not after:
        return None, _NEW
    parts = _PLACE.fullmatch(after)
    if parts is None:
        raise InvalidInputError(f"after is {after!r}, which is no `next` of a page before")
    return parts[1], int(parts[2])


def _runs_from(ledger: RunLedger, first: str | None) -> Iterator[Run]:
    """The run ``first`` and all older ones, newest first; all runs if it is None. Those that cannot be read are left out."""
    if first is not None:
        yield from (run for run in [_load(ledger, first)] if run is not None)
    before = first
    while True:
        runs = ledger.runs(_RUNS_AT_ONCE, before)
        unreadable = ledger.unreadable_runs(_RUNS_AT_ONCE, before)
        yield from runs
        if len(runs) + len(unreadable) < _RUNS_AT_ONCE:
            return
        before = runs[-1].id if runs else [*unreadable][-1]


def _versions(ledger: RunLedger, run: Run, before: int, limit: int) -> Iterator[tuple[int, ModelVersion]]:
    """Place and version of each model that the run has made, in order, after the place ``before``; ``limit`` of them."""
    after = before if before >= 0 else None
    given = 0
    while True:
        rounds, unreadable = readable_rounds(ledger, run, after, limit)
        for glance in rounds:
            for place, version in _of_round(run, glance.round):
                if place > before and given < limit:
                    given += 1
                    yield place, version
        if len(rounds) + len(unreadable) < limit or given == limit:
            break
        after = max([glance.round.number for glance in rounds] + [*unreadable])
    if run.round is None and run.model_sha256 is not None and before < _PREPARED:
        yield _PREPARED, _prepared(run, run.model_sha256)


def _made_in(ports: Ports, run: Run, claim: str, sha256: str) -> ModelVersion | None:
    """What the run says of the making of a model version that it claims; None if it has not made it, or so long ago that
    nobody looks.
    """
    if run.plan.model.stored_weights == sha256:
        return None  # it begins with it
    number = _round_in(ports, claim)
    if number is None:
        rounds, _ = readable_rounds(ports.ledger, run, None, ROUNDS_LOOKED_AT)
    else:
        rounds, _ = readable_rounds(ports.ledger, run, number - 1 if number else None, 1)
    found = [version for glance in rounds for _, version in _of_round(run, glance.round) if version.sha256 == sha256]
    if found:
        return found[0]
    return _prepared(run, sha256) if run.round is None and run.model_sha256 == sha256 else None


def _round_in(ports: Ports, claim: str) -> int | None:
    """The number of a round that a claim names, or None."""
    try:
        return object_keys.parse_claim_of_round(ports.artifacts.get_range(claim, 0, _CLAIM_BYTES))
    except (InvalidInputError, ArtifactMissingError):  # it is empty, or its run was deleted meanwhile
        return None


def _of_round(run: Run, state: RoundState) -> Iterator[tuple[int, ModelVersion]]:
    if state.number == 0 and state.model_sha256 != run.plan.model.stored_weights:
        yield _PREPARED, _prepared(run, state.model_sha256)
    made = state.aggregation
    if made is not None and made.model_sha256 != state.model_sha256:  # enrolment may leave the model as it is
        yield (
            state.number,
            ModelVersion(
                sha256=made.model_sha256,
                source="round",
                run_id=run.id,
                round=state.number,
                base_sha256=state.model_sha256,
                made_at=state.finished_at,
                scores=state.scores,
            ),
        )


def _prepared(run: Run, sha256: str) -> ModelVersion:
    return ModelVersion(sha256=sha256, source="prepared", run_id=run.id, base_sha256=run.plan.model.stored_weights)


def _with_uploads(ports: Ports, after: str, limit: int, found: list[ModelVersion]) -> ModelList:
    """The models ``found``, and uploaded ones up to ``limit``."""
    marks = ports.artifacts.page(object_keys.UPLOADS, after.removesuffix("/"), limit - len(found))
    uploaded = [
        ModelVersion(sha256=mark.key.removeprefix(object_keys.UPLOADS), source="uploaded", made_at=mark.modified)
        for mark in marks
        if object_keys.kind(mark.key) == "upload"
    ]
    whole = len(marks) < limit - len(found)
    return ModelList(models=[*found, *uploaded], next=None if whole else marks[-1].key)


def _load(ledger: RunLedger, run_id: str) -> Run | None:
    """The run, or None if its record cannot be read. `NotFoundError` if there is none."""
    try:
        return ledger.load(run_id)
    except UNREADABLE:
        return None

"""Finding and removing artifacts that nothing names: killed processes and interrupted requests have left them.

An artifact that a claim, a manifest, a run's record, the ledger or an upload names is never removed, and neither is one that
a restored run needs. A worker may be about to name what it has just put, so younger objects than the grace period are kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from fedface_control.upkeep.claims import BEFORE_ANY_RUN, claim_for_earlier_runs, is_uploaded
from fedface_control.upkeep.named_artifacts import aggregations, named_by, restorable_runs
from fedface_core.contracts import object_keys
from fedface_core.domain.errors import DamagedObjectError, UnknownSchemaError
from fedface_core.ports import ArtifactStore, Ports

log = structlog.get_logger(__name__)

CLAIMS_PER_READ: Final = 1000
_DEPTH_IN_FOLDERS: Final = 2


@dataclass(frozen=True)
class GarbagePage:
    """What a look at one page of the store has found."""

    keys: Sequence[str]
    """The artifacts of the page that nothing names, in order."""
    looked_at: int
    """How many artifacts the page has."""
    next: str | None
    """The key after which the next page begins; None after the last page."""


def collect_garbage_page(ports: Ports, older_than: timedelta, *, after: str, limit: int, dry_run: bool) -> GarbagePage:
    """Remove artifacts that nothing names from one page of the store: the first ``limit`` artifacts after the key ``after``.

    Only artifacts that were put longer ago than ``older_than``, by the store's clock, are removed. A ``dry_run`` finds them
    and removes nothing. Several collections may be at work at once: what one has removed, the other finds no more, or
    removes again. `InvalidInputError` if ``after`` is neither empty nor a key.
    """
    claim_for_earlier_runs(ports)
    put_before = ports.artifacts.now() - older_than
    page = ports.artifacts.page("", after, limit)
    garbage = _garbage_among(ports, [stored.key for stored in page if stored.modified <= put_before])
    if not dry_run:
        ports.artifacts.delete_all(garbage)
        if garbage:
            log.info("garbage_collected", objects=len(garbage), first=garbage[0])
    return GarbagePage(garbage, len(page), page[-1].key if len(page) == limit else None)


def _garbage_among(ports: Ports, keys: Sequence[str]) -> list[str]:
    """Those of the artifacts that nothing names. Uploads and other objects that are no run's are never among them."""
    claims: list[str] = []
    models: list[str] = []
    folders: defaultdict[str, list[str]] = defaultdict(list)
    for key in keys:
        if object_keys.kind(key) == object_keys.OTHER and key.count("/") < _DEPTH_IN_FOLDERS:
            continue  # a stray object in no run's folder: somebody else's, which is no business of ours
        if key.startswith(object_keys.RUNS):
            folders[key.split("/")[1]].append(key)
        elif object_keys.kind(key) == "model":
            models.append(key)
        elif object_keys.is_claim(key):
            claims.append(key)
    garbage = {*_claims_of_nobody(ports, claims), *_unclaimed(ports, models), *_unnamed_in_folders(ports, folders)}
    return [key for key in keys if key in garbage]


def _claims_of_nobody(ports: Ports, claims: Iterable[str]) -> list[str]:
    """The claims whose run exists no more, or was never created."""
    run_of = {key: object_keys.parse_claim_key(key)[1] for key in claims}
    existing = _existing_runs(ports, set(run_of.values()))
    return [key for key, run_id in run_of.items() if run_id not in existing]


def _unclaimed(ports: Ports, models: Sequence[str]) -> list[str]:
    """The model versions that no existing run has claimed and no user has uploaded."""
    if not models:
        return []
    sha256s = sorted(map(object_keys.parse_model_key, models))
    claimants = _claimants(ports.artifacts, sha256s[0], sha256s[-1])
    existing = _existing_runs(ports, {run_id for run_ids in claimants.values() for run_id in run_ids})
    unclaimed = [sha256 for sha256 in sha256s if existing.isdisjoint(claimants.get(sha256, ()))]
    return [object_keys.model(sha256) for sha256 in unclaimed if not is_uploaded(ports.artifacts, sha256)]


def _claimants(artifacts: ArtifactStore, first: str, last: str) -> Mapping[str, AbstractSet[str]]:
    """Model version → runs that have claimed it, for the model versions from SHA-256 ``first`` to ``last``.

    They are listed a page at a time: a listing for each model version would be a request for each.
    """
    claimants: defaultdict[str, set[str]] = defaultdict(set)
    after = object_keys.claim(first, BEFORE_ANY_RUN)
    while page := artifacts.page(object_keys.CLAIMS, after, CLAIMS_PER_READ):
        for key in (stored.key for stored in page if object_keys.is_claim(stored.key)):
            sha256, run_id = object_keys.parse_claim_key(key)
            if sha256 > last:
                return claimants
            claimants[sha256].add(run_id)
        after = page[-1].key
    return claimants


def _unnamed_in_folders(ports: Ports, folders: Mapping[str, Sequence[str]]) -> Iterable[str]:
    """Of the artifacts in folders of runs (run → keys) those that nothing names: all, if the run does not exist."""
    existing = _existing_runs(ports, folders.keys())
    for run_id, keys in folders.items():
        yield from _unnamed(ports, run_id, keys) if run_id in existing else keys


def _unnamed(ports: Ports, run_id: str, keys: Sequence[str]) -> list[str]:
    """Those of the artifacts in a run's folder that the run does not name. None if the run cannot be read."""
    try:
        named = named_by(ports, run_id)
        unnamed = [key for key in keys if key not in named]
        if unnamed:  # it is rare, and then results that are stored and not recorded yet may name them
            for aggregation in aggregations(ports.artifacts, run_id):
                named.add_aggregation(aggregation)
        return [key for key in unnamed if key not in named]
    except (UnknownSchemaError, DamagedObjectError) as error:
        log.warning("run_unreadable", run_id=run_id, reason=str(error))
        return []


def _existing_runs(ports: Ports, run_ids: AbstractSet[str]) -> AbstractSet[str]:
    """Those of the runs that the ledger has, or that can be restored from the store.

    The ledger is asked first: the record of a new run is put before the run is created.
    """
    known = ports.ledger.known_runs(run_ids)
    lost = {run_id for run_id in run_ids - known if restorable_runs(ports.artifacts.keys(object_keys.run_folder(run_id)))}
    return known | lost

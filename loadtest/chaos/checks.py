"""What must hold of a disturbed run. Each check is a function of snapshots and of the injected faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedface_core.contracts import object_keys
from fedface_core.domain.ids import client_id
from fedface_core.domain.run import RunPhase
from fedface_core.domain.update import accepted_digest
from loadtest.chaos.adversary import FaultKind, InjectedFault
from loadtest.chaos.snapshot import RoundSnapshot, RunSnapshot

# The events of a finished round, in their order.
_ROUND_EVENTS = ("round_opened", "round_closed", "round_aggregated", "round_finished")
# Their names hold digests, of what a client keeps or of masks. The fault-free run has as many of them.
_NAMED_BY_DIGESTS = ("residual", "device", "journal", *object_keys.OF_MASKS)
# Of a combined update: which clients are one object with it, and so its bytes, is a matter of chance.
_OF_THE_OBJECT = {"sha256", "size", "group"}


@dataclass(frozen=True)
class Check:
    """A claim, whether it held, and the figures that show it."""

    name: str
    passed: bool
    figures: dict[str, Any]


def check_runs(fault_free: RunSnapshot, disturbed: RunSnapshot) -> list[Check]:
    """Check the disturbed run by itself and against the fault-free run of the same plan."""
    return [
        _check_completed(disturbed),
        _check_equal("the model is the fault-free one", fault_free, disturbed, lambda run: [run.run.model_sha256]),
        _check_equal("every round's model version is the fault-free one", fault_free, disturbed, _model_versions),
        _check_equal("the accepted updates are the fault-free ones", fault_free, disturbed, _accepted_updates),
        _check_equal("the rounds count what the fault-free ones count", fault_free, disturbed, _counts),
        _check_manifests(disturbed),
        _check_counted_once(disturbed),
        _check_stored_updates(disturbed),
        *([_check_delivered_together(disturbed)] if disturbed.run.plan.delivery == "combined" else []),
        _check_equal("the clients that fail are the fault-free run's", fault_free, disturbed, _failed),
        _check_events(disturbed),
        _check_keys(disturbed),
        _check_named_by_digests(fault_free, disturbed),
    ]


def check_simulated(disturbed: RunSnapshot, simulated: str) -> Check:
    """Check that the run ended with the model, named by its SHA-256, that its simulation in one process makes."""
    found = disturbed.run.model_sha256
    return Check("the model is that of the simulation in one process", found == simulated, {"model": found})


def check_kills(disturbed: RunSnapshot, faults: Sequence[InjectedFault], kills: int) -> Check:
    """Check that exactly ``kills`` services were killed, each of them before the run ended."""
    killed = [fault for fault in faults if fault.kind is FaultKind.KILL]
    ended_at = disturbed.run.ended_at
    inside = [fault for fault in killed if not fault.progress.ended and ended_at is not None and fault.at < ended_at]
    figures = {"asked": kills, "killed": len(killed), "inside_the_run": len(inside)}
    return Check("every kill happened inside the run", len(killed) == len(inside) == kills, figures)


def check_fault_kinds(faults: Sequence[InjectedFault], kinds: Sequence[FaultKind]) -> Check:
    """Check that a fault of each of these kinds has happened."""
    figures = {kind.value: sum(fault.kind is kind for fault in faults) for kind in kinds}
    return Check("every kind of fault happened", all(figures.values()), figures)


def check_wrong_clocks_noticed(logs: Path, faults: Sequence[InjectedFault]) -> Check:
    """Check that each service whose clock was put wrong has written so into its log."""
    services = [fault.target for fault in faults if fault.kind is FaultKind.CLOCK]
    silent = [
        name
        for name in services
        if "clock_skewed" not in (logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")
    ]
    return Check("a service logs that its clock is wrong", not silent, {"services": services, "silent": silent})


def check_no_process_gave_up(ended: Sequence[str]) -> Check:
    """Check that no process ended by itself; ``ended`` names those that did. Each is to wait for a killed server."""
    return Check("no process ends that nobody killed", not ended, dict(Counter(ended)))


def check_full_disk(writes_refused: Sequence[bool]) -> Check:
    """Check that the store refused to write each time that its disk was full: otherwise that fault was none."""
    figures = {"full": len(writes_refused), "refused": sum(writes_refused)}
    return Check("a store whose disk is full refuses to write", all(writes_refused), figures)


def check_unchanged(at_end: RunSnapshot, later: RunSnapshot) -> Check:
    """Check that messages that were handled after the end of the run have changed nothing of it."""
    changed = [name for name in ("run", "rounds", "keys", "events") if getattr(at_end, name) != getattr(later, name)]
    return Check("late messages changed nothing", not changed, {"changed": changed})


def expected_keys(snapshot: RunSnapshot) -> set[str]:
    """The key of every object that a completed run leaves in its store, without those of `_NAMED_BY_DIGESTS`."""
    run_id = snapshot.run.id
    clients = snapshot.run.plan.split.clients
    keys = {object_keys.run(run_id), object_keys.identity_list(run_id, snapshot.run.identity_list_sha256 or "")}
    for each in snapshot.rounds:
        number = each.round.number
        keys |= {
            object_keys.accepted_update(run_id, number, client, update.group) for client, update in each.accepted.items()
        }
        keys |= {object_keys.partial(run_id, number, shard, digest) for shard, digest in _shard_digests(each)}
        keys |= {object_keys.report(run_id, number), object_keys.manifest(run_id, number)}
        keys.add(object_keys.aggregation(run_id, number, accepted_digest(each.accepted)))
        keys.add(object_keys.model(each.round.model_sha256))
        aggregation = each.round.aggregation
        if aggregation is not None:
            class_embeddings = aggregation.class_embeddings_sha256
            if class_embeddings is not None:
                keys.add(object_keys.class_embeddings(run_id, class_embeddings))
                # No client of a chaos run fails, so every client is enrolled, and has a row.
                keys |= {object_keys.row(run_id, class_embeddings, client_id(index)) for index in range(clients)}
            if aggregation.server_state_sha256 is not None:
                keys.add(object_keys.server_state(run_id, aggregation.server_state_sha256))
            if aggregation.guidance_sha256 is not None:
                keys.add(object_keys.guidance(run_id, aggregation.guidance_sha256))
    keys.add(object_keys.model(snapshot.run.model_sha256 or ""))
    models = [object_keys.parse_model_key(key) for key in keys if key.startswith(object_keys.MODELS)]
    return keys | {object_keys.claim(sha256, run_id) for sha256 in models} | {object_keys.EARLIER_RUNS}


def _check_completed(disturbed: RunSnapshot) -> Check:
    run = disturbed.run
    figures = {"phase": run.phase.value, "rounds": len(disturbed.rounds) - 1, "asked": run.plan.rounds}
    completed = run.phase is RunPhase.COMPLETED and len(disturbed.rounds) == run.plan.rounds + 1
    return Check("the run finishes", completed, figures)


def _check_equal(
    name: str, fault_free: RunSnapshot, disturbed: RunSnapshot, view: Callable[[RunSnapshot], list[Any]]
) -> Check:
    """Check that ``view`` gives one list of both runs."""
    expected = view(fault_free)
    found = view(disturbed)
    differing = sum(item not in found for item in expected) + sum(item not in expected for item in found)
    return Check(name, expected == found, {"compared": len(expected), "differing": differing})


def _model_versions(snapshot: RunSnapshot) -> list[tuple[int, str | None, str | None]]:
    """Of each round: its number, the model version that it started from, and the one that it made."""
    return [
        (
            each.round.number,
            each.round.model_sha256,
            each.round.aggregation.model_sha256 if each.round.aggregation else None,
        )
        for each in snapshot.rounds
    ]


def _accepted_updates(snapshot: RunSnapshot) -> list[tuple[int, str, dict[str, Any]]]:
    """The accepted updates, by round and client, each without what differs from run to run."""
    is_masked = snapshot.run.plan.secure_aggregation is not None
    return [
        (each.round.number, client, {} if is_masked else update.model_dump(exclude=_OF_THE_OBJECT if update.group else None))
        for each in snapshot.rounds
        for client, update in each.accepted.items()
    ]


def _counts(snapshot: RunSnapshot) -> list[tuple[int, int, int]]:
    """Of each round: its number, the updates in it, and their images."""
    return [
        (each.round.number, each.round.aggregation.folded, each.round.aggregation.images)
        for each in snapshot.rounds
        if each.round.aggregation is not None
    ]


def _failed(snapshot: RunSnapshot) -> list[tuple[int, str, str]]:
    """Of each client that failed: in which round, which client, and why."""
    return [
        (each.round.number, client, reason) for each in snapshot.rounds for client, reason in sorted(each.failed.items())
    ]


def _check_named_by_digests(fault_free: RunSnapshot, disturbed: RunSnapshot) -> Check:
    expected = dict(_named_by_digests(fault_free))
    found = dict(_named_by_digests(disturbed))
    differing = {kind: [expected[kind], found[kind]] for kind in expected if expected[kind] != found[kind]}
    return Check(
        "as many objects named by a run's own digests", not differing, {"compared": len(expected), "differing": differing}
    )


def _named_by_digests(snapshot: RunSnapshot) -> list[tuple[str, int]]:
    """How many objects of each kind there are whose names hold digests of what differs from run to run, such as masks.

    Without those of which a round waits for enough only: how many more there are is a matter of chance.
    """
    kinds = Counter(object_keys.kind(key) for key in snapshot.keys)
    return [(kind, kinds[kind]) for kind in _NAMED_BY_DIGESTS if kind not in ("signature", "revelation")]


def _check_manifests(disturbed: RunSnapshot) -> Check:
    missing = 0
    foreign = 0
    differing = 0
    for each in disturbed.rounds:
        named = each.manifest.accepted if each.manifest else {}
        missing += len(each.accepted.keys() - named.keys())
        foreign += len(named.keys() - each.accepted.keys())
        differing += sum(named[client] != each.accepted[client] for client in named.keys() & each.accepted.keys())
        differing += each.manifest is not None and each.manifest.round != each.round
    accepted = sum(len(each.accepted) for each in disturbed.rounds)
    return Check(
        "no accepted update is missing from the manifests",
        missing == foreign == differing == 0,
        {"accepted": accepted, "missing": missing, "foreign": foreign, "differing": differing},
    )


def _check_counted_once(disturbed: RunSnapshot) -> Check:
    wrong = [each.round.number for each in disturbed.rounds if not _is_counted_once(each)]
    aggregations = [each.round.aggregation for each in disturbed.rounds if each.round.aggregation]
    figures = {
        "folded": sum(aggregation.folded for aggregation in aggregations),
        "refused": sum(len(aggregation.refused) for aggregation in aggregations),
        "images": sum(aggregation.images for aggregation in aggregations),
        "wrong_rounds": wrong,
    }
    return Check("no update is counted twice", not wrong, figures)


def _is_counted_once(each: RoundSnapshot) -> bool:
    """Whether the round's aggregation counts the updates and the images of exactly the accepted, not refused updates."""
    aggregation = each.round.aggregation
    if aggregation is None:
        return False
    folded = [update for client, update in each.accepted.items() if client not in aggregation.refused]
    told = [update.images for update in folded if update.images is not None]
    # Masked updates do not tell how many images they are of; `_counts` compares their sum with the fault-free run's.
    return aggregation.folded == len(folded) and (len(told) < len(folded) or aggregation.images == sum(told))


def _check_stored_updates(disturbed: RunSnapshot) -> Check:
    wrong = [
        object_keys.accepted_update(each.round.run_id, each.round.number, client, update.group)
        for each in disturbed.rounds
        for client, update in each.accepted.items()
        if each.stored_sha256.get(client) != update.sha256
    ]
    compared = sum(len(each.accepted) for each in disturbed.rounds)
    return Check("every accepted update is stored as it was accepted", not wrong, {"compared": compared, "wrong": wrong})


def _check_delivered_together(disturbed: RunSnapshot) -> Check:
    """Check that workers have delivered several clients as one object: otherwise the run shows nothing of that."""
    groups = [
        (each.round.number, update.group) for each in disturbed.rounds for update in each.accepted.values() if update.group
    ]
    figures = {"clients": len(groups), "objects": len(set(groups)), "most_in_one": max(Counter(groups).values(), default=0)}
    return Check("workers deliver several clients as one object", figures["most_in_one"] > 1, figures)


def _check_events(disturbed: RunSnapshot) -> Check:
    expected = [(number, name) for number in range(len(disturbed.rounds)) for name in _ROUND_EVENTS]
    found = [(event.data["round"], event.name) for event in disturbed.events if event.name in _ROUND_EVENTS]
    figures = {"changes": len(found), "expected": len(expected)}
    return Check("each phase is entered once, in order", found == expected, figures)


def _check_keys(disturbed: RunSnapshot) -> Check:
    expected = expected_keys(disturbed)
    found = {key for key in disturbed.keys if object_keys.kind(key) not in _NAMED_BY_DIGESTS}
    unrecorded = _combined_updates(disturbed) - expected
    found -= unrecorded
    figures = {
        "objects": len(disturbed.keys),
        "combined_but_not_recorded": len(unrecorded),
        "unknown": sorted(found - expected),
        "missing": sorted(expected - found),
    }
    return Check("no temporary or unknown object, and none is missing", found == expected, figures)


def _combined_updates(disturbed: RunSnapshot) -> set[str]:
    """The keys of all combined updates in the store of such a run.

    Some have no accepted client: their worker was killed before it recorded them, or another task had settled one of them.
    They stay until retention removes the updates of their round.
    """
    if disturbed.run.plan.delivery != "combined":
        return set()
    return {key for key in disturbed.keys if object_keys.kind(key) == "update" and "/combined-" in key}


def _shard_digests(each: RoundSnapshot) -> Iterator[tuple[int, str]]:
    """The number of each shard that has accepted updates, and the digest of these updates."""
    for shard in range(each.round.shards):
        accepted = {client: each.accepted[client] for client in each.round.shard_members(shard) if client in each.accepted}
        if accepted:
            yield shard, accepted_digest(accepted)

"""What must hold of a run whatever befell it. Each check is a function of what was left behind; none looks at a process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fedface_core.contracts import object_keys
from fedface_core.domain.run import RunPhase
from fedface_core.domain.update import AcceptedUpdate, accepted_digest
from loadtest.chaos.adversary import Deed, Fault
from loadtest.chaos.outcome import Outcome, RoundOutcome

# What a round's history is made of, in this order.
_HISTORY = ("round_opened", "round_closed", "round_aggregated", "round_finished")


@dataclass(frozen=True)
class Check:
    """One claim, whether it held, and the figures that show it."""

    name: str
    passed: bool
    figures: dict[str, Any]


def compare(calm: Outcome, storm: Outcome) -> list[Check]:
    """All claims about the run under the adversary, and about the two runs side by side."""
    return [
        _finishes(storm),
        _same("the model is the fault-free one", calm, storm, lambda outcome: [outcome.run.model_sha256]),
        _same("every round's model version is the fault-free one", calm, storm, _models),
        _same("the accepted updates are the fault-free ones", calm, storm, _accepted),
        _in_manifest(storm),
        _counted_once(storm),
        _stored(storm),
        _forward(storm),
        _keys(storm),
    ]


def all_kills_inside(storm: Outcome, deeds: Sequence[Deed], kills: int) -> Check:
    """The adversary did what it was asked to, while the run went on."""
    killed = [deed for deed in deeds if deed.fault is Fault.KILL]
    ended_at = storm.run.ended_at
    inside = [deed for deed in killed if not deed.seen.ended and ended_at is not None and deed.at < ended_at]
    figures = {"asked": kills, "killed": len(killed), "inside_the_run": len(inside)}
    return Check("every kill happened inside the run", len(killed) == len(inside) == kills, figures)


def every_fault(deeds: Sequence[Deed], faults: Sequence[Fault]) -> Check:
    """No sort of fault was left out."""
    figures = {fault.value: sum(deed.fault is fault for deed in deeds) for fault in faults}
    return Check("every kind of fault happened", all(figures.values()), figures)


def nobody_gave_up(ended: Sequence[str]) -> Check:
    """No process ended but those that were killed: each waits for what was killed beside it."""
    return Check("no process ends that nobody killed", not ended, dict(Counter(ended)))


def unmoved(at_end: Outcome, later: Outcome) -> Check:
    """What was still under way when the run ended has changed nothing of it."""
    changed = [name for name in ("run", "rounds", "keys", "events") if getattr(at_end, name) != getattr(later, name)]
    return Check("late messages changed nothing", not changed, {"changed": changed})


def _finishes(storm: Outcome) -> Check:
    figures = {"phase": storm.run.phase.value, "rounds": len(storm.rounds) - 1, "asked": storm.run.plan.rounds}
    complete = storm.run.phase is RunPhase.COMPLETED and len(storm.rounds) == storm.run.plan.rounds + 1
    return Check("the run finishes", complete, figures)


def _same(name: str, calm: Outcome, storm: Outcome, view: Callable[[Outcome], list[Any]]) -> Check:
    expected, found = view(calm), view(storm)
    differing = sum(item not in found for item in expected) + sum(item not in expected for item in found)
    return Check(name, expected == found, {"compared": len(expected), "differing": differing})


def _models(outcome: Outcome) -> list[tuple[int, str | None, str | None]]:
    """Of each round: its number, the model version it started from, and the one it made."""
    return [
        (
            each.ledger.number,
            each.ledger.model_sha256,
            each.ledger.aggregation.model_sha256 if each.ledger.aggregation else None,
        )
        for each in outcome.rounds
    ]


def _accepted(outcome: Outcome) -> list[tuple[int, str, AcceptedUpdate]]:
    return [(each.ledger.number, client, update) for each in outcome.rounds for client, update in each.accepted.items()]


def _in_manifest(storm: Outcome) -> Check:
    missing, foreign, differing = 0, 0, 0
    for each in storm.rounds:
        named = each.manifest.accepted if each.manifest else {}
        missing += len(each.accepted.keys() - named.keys())
        foreign += len(named.keys() - each.accepted.keys())
        differing += sum(named[client] != each.accepted[client] for client in named.keys() & each.accepted.keys())
        differing += each.manifest is not None and each.manifest.round != each.ledger
    accepted = sum(len(each.accepted) for each in storm.rounds)
    return Check(
        "no accepted update is missing from the manifests",
        missing == foreign == differing == 0,
        {"accepted": accepted, "missing": missing, "foreign": foreign, "differing": differing},
    )


def _counted_once(storm: Outcome) -> Check:
    wrong = [each.ledger.number for each in storm.rounds if not _sums_agree(each)]
    aggregations = [each.ledger.aggregation for each in storm.rounds if each.ledger.aggregation]
    figures = {
        "folded": sum(aggregation.folded for aggregation in aggregations),
        "refused": sum(len(aggregation.refused) for aggregation in aggregations),
        "images": sum(aggregation.images for aggregation in aggregations),
        "wrong_rounds": wrong,
    }
    return Check("no update is counted twice", not wrong, figures)


def _sums_agree(each: RoundOutcome) -> bool:
    aggregation = each.ledger.aggregation
    if aggregation is None:
        return False
    folded = [update for client, update in each.accepted.items() if client not in aggregation.refused]
    return aggregation.folded == len(folded) and aggregation.images == sum(update.images for update in folded)


def _stored(storm: Outcome) -> Check:
    wrong = [
        object_keys.update(each.ledger.run_id, each.ledger.number, client)
        for each in storm.rounds
        for client, update in each.accepted.items()
        if each.stored.get(client) != update.sha256
    ]
    compared = sum(len(each.accepted) for each in storm.rounds)
    return Check("every accepted update is stored as it was accepted", not wrong, {"compared": compared, "wrong": wrong})


def _forward(storm: Outcome) -> Check:
    expected = [(number, name) for number in range(len(storm.rounds)) for name in _HISTORY]
    found = [(event.data["round"], event.name) for event in storm.events if event.name in _HISTORY]
    failed = sum(len(each.failed) for each in storm.rounds)
    figures = {"changes": len(found), "expected": len(expected), "failed_clients": failed}
    return Check("each phase is entered once, in order, and no client fails", found == expected and not failed, figures)


def _keys(storm: Outcome) -> Check:
    expected = expected_keys(storm)
    figures = {
        "objects": len(storm.keys),
        "unknown": sorted(storm.keys - expected),
        "missing": sorted(expected - storm.keys),
    }
    return Check("no temporary or unknown object, and none is missing", storm.keys == expected, figures)


def expected_keys(outcome: Outcome) -> set[str]:
    """The key of every object that a completed run leaves."""
    run, keys = outcome.run.id, {object_keys.run(outcome.run.id)}
    for each in outcome.rounds:
        number = each.ledger.number
        keys |= {object_keys.update(run, number, client) for client in each.accepted}
        keys |= {object_keys.partial(run, number, shard, digest) for shard, digest in _shards(each)}
        keys |= {object_keys.report(run, number), object_keys.manifest(run, number)}
        keys |= {object_keys.aggregation(run, number, accepted_digest(each.accepted))}
        keys.add(object_keys.model(each.ledger.model_sha256))
        if each.ledger.aggregation is not None:
            keys.add(object_keys.class_embeddings(run, each.ledger.aggregation.class_embeddings_sha256))
            if each.ledger.aggregation.server_state_sha256 is not None:
                keys.add(object_keys.server_state(run, each.ledger.aggregation.server_state_sha256))
            if each.ledger.aggregation.guidance_sha256 is not None:
                keys.add(object_keys.guidance(run, each.ledger.aggregation.guidance_sha256))
    return keys | {object_keys.model(outcome.run.model_sha256 or "")}


def _shards(each: RoundOutcome) -> Iterator[tuple[int, str]]:
    """Each shard with accepted updates, and the digest of these."""
    for shard in range(each.ledger.shards):
        accepted = {client: each.accepted[client] for client in each.ledger.shard_members(shard) if client in each.accepted}
        if accepted:
            yield shard, accepted_digest(accepted)

"""The phases of a masked round that wait for clients: whom they ask for what, and when they end (ADR 41). Pure functions.

What a phase asks follows from the round's record and the ledger's tally, so it can be asked for again at any time (ADR 2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from datetime import datetime
from typing import Literal

from fedface_core.domain.commands import ClientsOfRound, RegisterDevices, RevealShares, ShareKeys, SignAcceptedSet
from fedface_core.domain.deposit import Deposit
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round, Tally
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.round_phase import DEPOSITS, RoundPhase
from fedface_core.domain.share import share_of

Asked = Mapping[type[ClientsOfRound], list[str]]
"""Command → the clients that are asked by it, in client order. No command asks nobody."""


def asked_of_clients(plan: Plan, current: Round, tally: Tally) -> Asked:
    """What the round's phase still asks of its clients, which is nothing in a phase without deposits.

    Nobody is asked in vain: not the clients of a shard that has too few to be masked, or too few updates to be unmasked.
    """
    asked: dict[type[ClientsOfRound], list[str]] = {}
    for command, clients in _asked(plan, current, tally):
        if clients:
            asked.setdefault(command, []).extend(clients)
    return asked


def reason_to_move_on(plan: Plan, current: Round, tally: Tally, now: datetime) -> Literal["settled", "deadline"] | None:
    """Why a phase that asks for deposits ends now; None if it goes on, or if the round's phase is another one.

    ``settled``: its clients have done all that they were asked for. ``deadline``: its deadline has passed.
    """
    if current.phase not in DEPOSITS:
        return None
    if not asked_of_clients(plan, current, tally):
        return "settled"
    return "deadline" if now > current.deadline_at else None


def members_of_shard(current: Round, shard: int, registered: Iterable[str]) -> list[str]:
    """The clients of a shard on whose keys its masks depend, in client order.

    At enrolment these are those that have ``registered`` keys. Whoever is invited later has done so.
    """
    clients = current.shard_members(shard)
    if current.kind is RoundKind.TRAINING:
        return list(clients)
    known = frozenset(registered)
    return [client for client in clients if client in known]


def least_in_sum(plan: Plan, members: int) -> int | None:
    """How many updates of a shard a sum must have so that it can and may be unmasked; None if the shard cannot be masked.

    As many as the plan says (`Plan.least_to_unmask`), as must sign, and one more than give a secret: nobody has a share of
    its own.
    """
    try:
        graph = plan.mask_graph(members)
    except InvalidInputError:
        return None
    return max(plan.least_to_unmask(members), graph.threshold + 1, graph.signers)


def too_small_shards(plan: Plan, current: Round, tally: Tally) -> dict[int, str]:
    """Shard → why it is left out, of those without a roster in which too few clients have shared keys."""
    assert current.masks is not None, "asked of masked rounds only"
    registered = tally.depositors(Deposit.DEVICE_KEYS)
    shared = tally.depositors(Deposit.KEY_BUNDLE) & tally.unsettled
    found = {}
    for shard in range(current.shards):
        if shard in current.masks.rosters:
            continue
        members = members_of_shard(current, shard, registered)
        if reason := why_too_small(plan, shard, len(members), len(shared.intersection(members))):
            found[shard] = reason
    return found


def why_too_small(plan: Plan, shard: int, members: int, shared: int) -> str | None:
    """Why a shard is left out if so many of its members have shared keys; None if it is not."""
    least = least_in_sum(plan, members)
    if least is None:
        return f"shard {shard} has {members} clients, too few to mask their updates"
    if shared < least:
        return f"{shared} clients of shard {shard} have shared keys, fewer than the {least} of a sum that can be unmasked"
    return None


def clients_to_unmask(plan: Plan, current: Round, accepted: Set[str], registered: Set[str]) -> dict[int, list[str]]:
    """Shard → the clients of its accepted set, of the shards of a closed round that can be unmasked.

    They are asked to sign and to reveal. ``accepted`` are the round's accepted clients; ``registered`` those whose devices
    have registered keys in it, which matters at enrolment only.
    """
    assert current.masks is not None, "asked of masked rounds only"
    found = {}
    for shard, roster in sorted(current.masks.rosters.items()):
        clients = [client for client in current.shard_members(shard) if client in accepted]
        least = least_in_sum(plan, len(members_of_shard(current, shard, registered)))
        if roster is not None and least is not None and len(clients) >= least:
            found[shard] = clients
    return found


def revelations_needed(plan: Plan, members: int, accepted: int) -> int:
    """How many of a shard's ``accepted`` clients have to reveal so that it can be unmasked, if what they reveal is right.

    At worst all that are missing of its ``members`` are neighbours of one client. Those that may collude are counted as
    missing against the lying, since they may reveal wrong shares. All accepted clients are needed if that is not enough.
    """
    masks = plan.secure_aggregation
    assert masks is not None, "asked of plans with masks only"
    graph = plan.mask_graph(members)
    wrong = share_of(masks.corrupt, members) if masks.against == "lying" else 0
    return min(accepted, members - (graph.degree - graph.threshold - wrong))


def asked_to_reveal(plan: Plan, current: Round, tally: Tally, shard: int) -> list[str]:
    """The clients of a shard that are asked to reveal, in client order: none before enough of them have signed."""
    clients = _to_unmask(plan, current, tally).get(shard) if current.phase is RoundPhase.UNMASKING else None
    if clients is None:
        return []
    asked_of_shard = dict(_asked_of_shard(plan, current, tally, shard, clients))
    return asked_of_shard.get(RevealShares, [])


def _asked(plan: Plan, current: Round, tally: Tally) -> Iterator[tuple[type[ClientsOfRound], list[str]]]:
    match current.phase:
        case RoundPhase.REGISTERING:
            yield RegisterDevices, _without(Deposit.DEVICE_KEYS, tally, (c for c in current.cohort if c in tally.unsettled))
        case RoundPhase.SHARING:
            registered = tally.depositors(Deposit.DEVICE_KEYS)
            for shard in range(current.shards):
                members = members_of_shard(current, shard, registered)
                if least_in_sum(plan, len(members)) is not None:
                    yield ShareKeys, _without(Deposit.KEY_BUNDLE, tally, (c for c in members if c in tally.unsettled))
        case RoundPhase.UNMASKING:
            for shard, clients in _to_unmask(plan, current, tally).items():
                yield from _asked_of_shard(plan, current, tally, shard, clients)
        case _:
            return


def _to_unmask(plan: Plan, current: Round, tally: Tally) -> dict[int, list[str]]:
    registered = tally.depositors(Deposit.DEVICE_KEYS)
    return clients_to_unmask(plan, current, tally.accepted_clients, registered)


def _asked_of_shard(
    plan: Plan, current: Round, tally: Tally, shard: int, accepted: list[str]
) -> Iterator[tuple[type[ClientsOfRound], list[str]]]:
    """A shard's clients sign its accepted set. Once enough have, they also reveal, until enough have.

    Those that have not signed are still asked to: signatures of clients that lie do not count for those that reveal.
    """
    registered = tally.depositors(Deposit.DEVICE_KEYS)
    members = len(members_of_shard(current, shard, registered))
    signers = plan.mask_graph(members).signers
    unsigned = _without(Deposit.SIGNATURE, tally, accepted)
    if len(accepted) - len(unsigned) < signers:
        yield SignAcceptedSet, unsigned
        return
    unrevealed = _without(Deposit.REVELATION, tally, accepted)
    is_enough = len(accepted) - len(unrevealed) >= revelations_needed(plan, members, len(accepted))
    if not is_enough:
        if signers:
            yield SignAcceptedSet, unsigned
        yield RevealShares, unrevealed


def _without(deposit: Deposit, tally: Tally, clients: Iterable[str]) -> list[str]:
    made = tally.depositors(deposit)
    return [client for client in clients if client not in made]

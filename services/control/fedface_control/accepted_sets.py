"""The accepted sets of a masked round, as objects in the store: its clients sign them before they reveal anything."""

from __future__ import annotations

from fedface_core.contracts import object_keys
from fedface_core.domain.deposit import Deposit
from fedface_core.domain.masked_phases import clients_to_unmask
from fedface_core.domain.round import Round
from fedface_core.domain.run import Run
from fedface_core.ports import Ports
from fedface_core.secure_aggregation.accepted_set import AcceptedSet
from fedface_core.signing.life import working_for


def put_accepted_sets(ports: Ports, run: Run, current: Round) -> None:
    """Put the accepted set of each shard that can be unmasked, unless there is one. The round must be closed.

    If the ledger was lost after an accepted set was put, a restored round may have accepted other updates. Then the object
    counts, since clients may have signed it, and sign no other one; the aggregator leaves the shard out.
    """
    for shard, clients in accepted_to_unmask(ports, run, current).items():
        assert current.masks is not None, "of masked rounds only"
        roster = current.masks.rosters[shard]
        assert roster is not None, "a shard without a roster has no updates"
        updates = ports.ledger.accepted(run.id, current.number, clients)
        accepted = AcceptedSet(
            shard_round=roster.shard_round,
            roster=roster.roster,
            updates={client: update.sha256 for client, update in updates.items()},
        )
        key = object_keys.accepted_set(run.id, current.number, shard, roster.shard_round)
        with working_for(run.correlation_id):  # readers believe only what was signed for this life of the run
            ports.artifacts.put_once(key, accepted.model_dump_json().encode())


def accepted_to_unmask(ports: Ports, run: Run, current: Round) -> dict[int, list[str]]:
    """Shard → the clients of its accepted set, of the shards whose clients are asked to sign and to reveal."""
    accepted = frozenset(ports.ledger.accepted_clients(run.id, current.number))
    registered = ports.ledger.deposits(run.id, current.number, Deposit.DEVICE_KEYS)
    return clients_to_unmask(run.plan, current, accepted, frozenset(registered))

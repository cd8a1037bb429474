"""Masked rounds without images or networks: workers that carry out the protocol of ADR 41 on vectors of four numbers.

Control is the real one. What each client adds is a function of itself and of the model version that it starts from, and the
next model version is the SHA-256 of the sum. So a run's model says of which updates it was made, and a run without masks
would make the same.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any

import numpy as np
from pydantic import BaseModel

from fedface_control.facts import handle_fact
from fedface_control.sweep import sweep
from fedface_core.contracts import object_keys
from fedface_core.contracts.tasks import ROUTES
from fedface_core.domain.commands import (
    ClientsOfRound,
    Command,
    EnrolClients,
    EvaluateModel,
    FoldShard,
    HandleFact,
    HandOnShares,
    ListIdentities,
    PrepareModel,
    ReduceRound,
    RegisterDevices,
    RevealShares,
    ShareKeys,
    SignAcceptedSet,
    Sweep,
    TrainClients,
)
from fedface_core.domain.deposit import Deposit
from fedface_core.domain.errors import ArtifactMissingError
from fedface_core.domain.facts import (
    Fact,
    IdentitiesListed,
    ModelPrepared,
    OwnedStep,
    RoundAggregated,
    RoundEvaluated,
    RoundReady,
    SharesHandedOn,
    StepFailed,
)
from fedface_core.domain.masked_phases import members_of_shard
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Aggregation
from fedface_core.domain.round import Round, RoundPhase
from fedface_core.domain.round_kind import ENROLMENT_ROUND
from fedface_core.domain.run import Run
from fedface_core.domain.update import AcceptedUpdate, RefusalReason, accepted_digest
from fedface_core.ports import Ports
from fedface_core.secure_aggregation.accepted_set import AcceptedSet, check_agreement
from fedface_core.secure_aggregation.device import Device, DeviceKeys
from fedface_core.secure_aggregation.errors import RevealRefusedError, TooFewSharesError
from fedface_core.secure_aggregation.key_bundle import KeyBundle, make_bundle
from fedface_core.secure_aggregation.masking_client import commit_to, masks_of
from fedface_core.secure_aggregation.recovery import masks_in_sum
from fedface_core.secure_aggregation.revealing import Revelation, Signer
from fedface_core.secure_aggregation.roster import ReceivedShares, Roster, close_roster, received_by
from fedface_core.secure_aggregation.shard_of_round import shard_round_of
from fedface_core.secure_aggregation.shard_round import ShardRound
from fedface_core.secure_aggregation.terms import check_terms
from fedface_learning.masking import Vector, add_masks, remove_masks
from support.in_process import REPEAT_AFTER, Handler, InProcess
from support.killing import killable
from support.round_results import SCORES

FIRST_MODEL = "f" * 64
Silent = Callable[[type[Command], int, str], bool]
"""Whether a client does not answer a command in a round, by its number."""


def masked_plan(**changes: Any) -> Plan:
    """A plan of 34 clients in two shards, and two training rounds. ``changes`` replace values within its parts."""
    parts: dict[str, Any] = {
        "strategy": "gaussian-negatives",
        "model": {"centring": False},
        "data": {"dataset": "synthetic"},
        "split": {"clients": 34, "test": 2},
        "cohort": {"shard_size": 16, "deadline_seconds": 600},
        "secure_aggregation": {"sharing_deadline_seconds": 300, "unmasking_deadline_seconds": 300},
        "rounds": 2,
    }
    for name, change in changes.items():
        parts[name] = parts[name] | change if isinstance(parts.get(name), dict) else change
    return Plan.model_validate(parts)


def contribution(client: str, model: str) -> Vector:
    """What a client adds to the sum of a round that starts from a model version: three numbers, and itself."""
    drawn = np.frombuffer(hashlib.sha256(f"{client} {model}".encode()).digest()[:24], dtype="<u8").copy()
    return np.append(drawn, np.uint64(1))


def next_model(model: str, clients: Iterable[str]) -> str:
    """The model version that a round makes of the updates of these clients."""
    return _model_of(model, sum((contribution(client, model) for client in clients), np.zeros(4, dtype=np.uint64)))


def _model_of(model: str, total: Vector) -> str:
    return hashlib.sha256(f"{model} {total.tolist()}".encode()).hexdigest()


class ScriptedMasks(InProcess):
    """Control, and workers that keep to the protocol. ``silent`` says who does not answer."""

    def __init__(self, plan: Plan, *args: Any, silent: Silent = lambda *_: False, **options: Any) -> None:
        self.silent = silent
        self.journals: dict[str, dict[str, str]] = defaultdict(dict)
        """Client → what its device remembers. It outlives processes and ledgers."""
        super().__init__(plan, *args, **options)

    def restart_services(self) -> None:
        super().restart_services()
        ports = killable(self.ports, self.effect_log)
        workers = _Workers(ports, self.journals, self.silent)
        self.handlers = workers.handlers()


class _Workers:
    """One process of each service."""

    def __init__(self, ports: Ports, journals: dict[str, dict[str, str]], silent: Silent) -> None:
        self._ports = ports
        self._ledger = ports.ledger
        self._store = ports.artifacts
        self._journals = journals
        self._silent = silent

    def handlers(self) -> dict[type[BaseModel], Handler]:
        """The handler of each command."""
        found: dict[type[BaseModel], Handler] = {
            PrepareModel: lambda command, _: self._report(ModelPrepared(run_id=command.run_id, model_sha256=FIRST_MODEL)),
            ListIdentities: lambda command, life: self._report(
                IdentitiesListed(run_id=command.run_id, correlation_id=life, identity_list_sha256="1" * 64)
            ),
            RegisterDevices: partial(self._for_each, self._register),
            ShareKeys: partial(self._for_each, self._share_keys),
            HandOnShares: self._hand_on,
            EnrolClients: partial(self._for_each, self._train),
            TrainClients: partial(self._for_each, self._train),
            SignAcceptedSet: partial(self._for_each, self._sign),
            RevealShares: partial(self._for_each, self._reveal),
            FoldShard: self._fold,
            ReduceRound: self._reduce,
            EvaluateModel: self._evaluate,
            HandleFact: lambda command, _: handle_fact(self._ports, command.fact),
            Sweep: lambda *_: sweep(self._ports, REPEAT_AFTER),
        }
        assert found.keys() == ROUTES.keys(), "every command has its service"
        return found

    def _for_each(self, act: Callable[[Run, Round, str], None], command: ClientsOfRound | EnrolClients, _: str) -> None:
        number = ENROLMENT_ROUND if isinstance(command, EnrolClients) else command.round
        for client in command.clients:
            current = self._ledger.load_round(command.run_id, number)
            may_begin = self._ledger.begin_attempt(command.run_id, number, client)
            if may_begin and not self._silent(type(command), number, client):
                act(self._ledger.load(command.run_id), current, client)

    # Clients

    def _register(self, run: Run, current: Round, client: str) -> None:
        self._store.put_once(object_keys.device(run.id, client), _json(_device(client).public_keys))
        self._deposit(run, current, Deposit.DEVICE_KEYS, client, object_keys.device(run.id, client), self._members)

    def _share_keys(self, run: Run, current: Round, client: str) -> None:
        shard_round = self._shard_round(run, current, client)
        check_terms(run.plan, shard_round)
        key = object_keys.key_bundle(run.id, current.number, client)
        self._store.put(key, _json(make_bundle(_device(client), shard_round)))
        self._deposit(run, current, Deposit.KEY_BUNDLE, client, key, self._members)

    def _train(self, run: Run, current: Round, client: str) -> None:
        shard_round = self._shard_round(run, current, client)
        vector = contribution(client, current.model_sha256)
        roster = self._roster(run, shard_round)
        received = self._received(run, shard_round, client)
        add_masks(vector, masks_of(_device(client), shard_round, roster, received))
        sha256 = hashlib.sha256(vector.tobytes()).hexdigest()
        try:
            commit_to(self._journals[client], shard_round, roster, sha256)
        except RevealRefusedError as error:
            self._ledger.fail(run.id, current.number, client, str(error))
            return
        self._store.put(object_keys.update(run.id, current.number, client), vector.tobytes())
        update = AcceptedUpdate(sha256=sha256, size=len(vector.tobytes()), images=1)
        if self._ledger.accept(run.id, current.number, client, update).round_ready:
            self._report(RoundReady(run_id=run.id, round=current.number, because="settled"))

    def _sign(self, run: Run, current: Round, client: str) -> None:
        shard_round = self._shard_round(run, current, client)
        roster = self._roster(run, shard_round)
        accepted = self._accepted_set(run, shard_round)
        try:
            signature = Signer(_device(client), self._journals[client]).sign(shard_round, roster, accepted)
        except RevealRefusedError:
            return
        key = object_keys.signature(run.id, current.number, client)
        self._store.put(key, json.dumps(signature).encode())
        self._deposit(run, current, Deposit.SIGNATURE, client, key, lambda *_: shard_round.signers)

    def _reveal(self, run: Run, current: Round, client: str) -> None:
        shard_round = self._shard_round(run, current, client)
        roster = self._roster(run, shard_round)
        accepted = self._accepted_set(run, shard_round)
        signatures = {
            each: json.loads(self._store.get(object_keys.signature(run.id, current.number, each)))
            for each in self._ledger.deposits(run.id, current.number, Deposit.SIGNATURE, accepted.updates)
        }
        check_agreement(shard_round, accepted, signatures)
        received = self._received(run, shard_round, client)
        try:
            revelation = Signer(_device(client), self._journals[client]).reveal(
                shard_round, roster, received, accepted, signatures
            )
        except RevealRefusedError:
            return
        key = object_keys.revelation(run.id, current.number, client)
        self._store.put(key, _json(revelation))
        self._deposit(run, current, Deposit.REVELATION, client, key, lambda *_: len(accepted.updates))

    def _deposit(
        self, run: Run, current: Round, kind: Deposit, client: str, key: str, enough: Callable[[Run, Round, int], int]
    ) -> None:
        sha256 = hashlib.sha256(self._store.get(key)).hexdigest()
        receipt = self._ledger.record_deposit(run.id, current.number, kind, client, sha256)
        assert receipt.shard is not None, "who is asked is invited"
        needed = enough(run, current, receipt.shard)
        again = receipt.refused is RefusalReason.DUPLICATE  # perhaps the message got lost
        if receipt.deposited == needed or (again and receipt.deposited > needed):
            shard = receipt.shard if kind is Deposit.SIGNATURE else None
            self._report(RoundReady(run_id=run.id, round=current.number, because="settled", shard=shard))

    def _members(self, run: Run, current: Round, shard: int) -> int:
        if current.phase is RoundPhase.REGISTERING:
            return len(current.shard_members(shard))
        return len(members_of_shard(current, shard, self._ledger.deposits(run.id, current.number, Deposit.DEVICE_KEYS)))

    # The aggregator

    def _hand_on(self, command: HandOnShares, _: str) -> None:
        run = self._ledger.load(command.run_id)
        current = self._ledger.load_round(run.id, command.round)
        shard_round = self._shard_round(run, current, current.shard_members(command.shard)[0])
        deposited = self._ledger.deposits(run.id, current.number, Deposit.KEY_BUNDLE, shard_round.keys)
        bundles = {client: self._bundle(run, current, client) for client in deposited}
        for client in bundles:
            received = received_by(client, shard_round, bundles)
            place = (run.id, current.number, command.shard, shard_round.digest)
            self._store.put_once(object_keys.received_shares(*place, client), _json(received))
        self._store.put_once(
            object_keys.roster(run.id, current.number, command.shard, shard_round.digest),
            _json(close_roster(shard_round, bundles.values())),
        )
        roster = self._roster(run, shard_round)
        self._report(
            SharesHandedOn(
                run_id=run.id,
                round=current.number,
                shard=command.shard,
                shard_round=shard_round.digest,
                roster=roster.digest,
                clients=tuple(sorted(roster.bundles)),
            )
        )

    def _fold(self, command: FoldShard, _: str) -> None:
        run = self._ledger.load(command.run_id)
        current = self._ledger.load_round(run.id, command.round)
        if current.phase is not RoundPhase.AGGREGATING:
            return
        accepted = self._ledger.accepted(run.id, current.number, current.shard_members(command.shard))
        try:
            total = self._unmasked(run, current, {client: update.sha256 for client, update in accepted.items()})
            partial_of_shard: dict[str, Any] = {"sum": total.tolist(), "refused": {}}
        except (TooFewSharesError, RevealRefusedError) as error:
            partial_of_shard = {"sum": [0] * 4, "refused": dict.fromkeys(accepted, f"not_unmasked: {error}")}
        self._store.put(self._partial(run, current, command.shard), json.dumps(partial_of_shard).encode())
        if self._ledger.record_partial(run.id, current.number, command.shard):
            self._publish(ReduceRound(run_id=run.id, round=current.number))

    def _unmasked(self, run: Run, current: Round, updates: dict[str, str]) -> Vector:
        shard_round = self._shard_round(run, current, next(iter(updates)))
        roster = self._roster(run, shard_round)
        try:
            accepted = self._accepted_set(run, shard_round)
        except ArtifactMissingError:
            raise RevealRefusedError("too few updates to ask for shares") from None
        if accepted.updates != updates:
            raise RevealRefusedError("the clients have signed another set")
        revealed = self._ledger.deposits(run.id, current.number, Deposit.REVELATION, updates)
        revelations = [
            Revelation.model_validate_json(self._store.get(object_keys.revelation(run.id, current.number, client)))
            for client in revealed
        ]
        bundles = {client: self._bundle(run, current, client) for client in roster.bundles}
        masks = masks_in_sum(shard_round, roster, bundles, accepted, revelations)
        total = np.zeros(4, dtype=np.uint64)
        for client in updates:
            data = self._store.get(object_keys.update(run.id, current.number, client))
            assert hashlib.sha256(data).hexdigest() == updates[client]
            total += np.frombuffer(data, dtype=np.uint64)
        remove_masks(total, masks)
        return total

    def _reduce(self, command: ReduceRound, _: str) -> None:
        run = self._ledger.load(command.run_id)
        current = self._ledger.load_round(run.id, command.round)
        if current.phase is not RoundPhase.AGGREGATING:
            return
        shards = sorted(self._ledger.tally(run.id, current.number).accepted_shards)
        partials = [json.loads(self._store.get(self._partial(run, current, shard))) for shard in shards]
        accepted = self._ledger.accepted(run.id, current.number)
        refused = {client: reason for each in partials for client, reason in each["refused"].items()}
        if len(accepted) - len(refused) < current.minimum:
            reason = f"{len(refused)} updates were not unmasked"
            place: dict[str, Any] = {"run_id": run.id, "round": current.number, "step": OwnedStep.REDUCE_ROUND}
            self._report(StepFailed(**place, reason=reason, fresh_cohort_may_help=True))
            return
        total = sum((np.array(each["sum"], dtype=np.uint64) for each in partials), np.zeros(4, dtype=np.uint64))
        assert int(total[-1]) == len(accepted) - len(refused), "each client is in the sum once"
        aggregation = Aggregation(
            model_sha256=_model_of(current.model_sha256, total),
            class_embeddings_sha256=None,
            folded=len(accepted) - len(refused),
            images=len(accepted) - len(refused),
            uploaded_bytes=0,
            refused=refused,
            update_norm=None,
            loss_before=None,
            spreadout_loss=0.0,
            mean_off_diagonal_cosine=0.0,
            max_off_diagonal_cosine=None,
        )
        fact = RoundAggregated(
            run_id=run.id, round=current.number, accepted_digest=accepted_digest(accepted), aggregation=aggregation
        )
        self._report(fact)

    def _evaluate(self, command: EvaluateModel, _: str) -> None:
        current = self._ledger.load_round(command.run_id, command.round)
        if current.aggregation is not None and current.phase is RoundPhase.EVALUATING:
            model = current.aggregation.model_sha256
            self._report(RoundEvaluated(run_id=command.run_id, round=current.number, model_sha256=model, scores=SCORES))

    # What all of them read

    def _shard_round(self, run: Run, current: Round, client: str) -> ShardRound:
        shard = current.shard_of_each()[client]
        registered = self._ledger.deposits(run.id, current.number, Deposit.DEVICE_KEYS)
        members = members_of_shard(current, shard, registered)
        return shard_round_of(run, current, shard, {member: _public_keys(member) for member in members})

    def _roster(self, run: Run, of: ShardRound) -> Roster:
        return Roster.model_validate_json(self._store.get(object_keys.roster(run.id, of.number, of.shard, of.digest)))

    def _received(self, run: Run, of: ShardRound, client: str) -> ReceivedShares:
        key = object_keys.received_shares(run.id, of.number, of.shard, of.digest, client)
        return ReceivedShares.model_validate_json(self._store.get(key))

    def _accepted_set(self, run: Run, of: ShardRound) -> AcceptedSet:
        key = object_keys.accepted_set(run.id, of.number, of.shard, of.digest)
        return AcceptedSet.model_validate_json(self._store.get(key))

    def _bundle(self, run: Run, current: Round, client: str) -> KeyBundle:
        return KeyBundle.model_validate_json(self._store.get(object_keys.key_bundle(run.id, current.number, client)))

    def _partial(self, run: Run, current: Round, shard: int) -> str:
        accepted = self._ledger.accepted(run.id, current.number, current.shard_members(shard))
        return object_keys.partial(run.id, current.number, shard, accepted_digest(accepted))

    def _report(self, fact: Fact) -> None:
        self._publish(HandleFact(run_id=fact.run_id, fact=fact))

    def _publish(self, command: Command) -> None:
        life = self._ledger.load(command.run_id).correlation_id
        self._ports.publisher.publish_all([command], correlation_id=life)


def _device(client: str) -> Device:
    return Device(client, hashlib.sha256(f"device of {client}".encode()).digest())


@cache
def _public_keys(client: str) -> DeviceKeys:
    """The keys that the client has registered. To read and check those of a whole shard at each step would take half the
    time of a test.
    """
    return _device(client).public_keys


def _json(value: BaseModel) -> bytes:
    return value.model_dump_json().encode()

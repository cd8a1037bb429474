"""Who may make what: one table of the kinds of objects, one of the kinds of messages. Whatever it names is signed.

Every other object is named by its SHA-256 in something that is signed or in the ledger, and is checked by that name; or it
is a mark (a claim, an upload), of which nobody believes more than its key.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from fedface_core.contracts.tasks import AGGREGATOR, CLIENT, CONTROL, EVALUATOR
from fedface_core.domain import commands, facts

SIGNERS: Final = (CONTROL, CLIENT, AGGREGATOR, EVALUATOR)
"""The services that sign. Control's key is that of its API, its worker and the sweep."""

MAKERS: Final = {
    "run": CONTROL,
    "manifest": CONTROL,
    "update": CLIENT,
    "partial": AGGREGATOR,
    "aggregation": AGGREGATOR,
    "row": AGGREGATOR,
    "report": EVALUATOR,
    "device": CLIENT,
    "key_bundle": CLIENT,
    "received_share": AGGREGATOR,
    "roster": AGGREGATOR,
    "accepted_set": CONTROL,
    "signature": CLIENT,
    "revelation": CLIENT,
    "journal": CLIENT,
}
"""Kind of object (`fedface_core.contracts.object_keys.kind`) → the service that may make it."""

NAMED_BY_DIGEST: Final = ("model", "class_embedding", "guidance", "server_state", "identity_list", "residual")
"""The kinds of objects whose key has the SHA-256 of their bytes."""

MARKS: Final = ("claim", "upload")
"""The kinds of objects of which only the key says something."""

IN_BLOCKS: Final = frozenset({"partial"})
"""The kinds of objects that are larger than memory, and so are checked block by block while they are read."""

TOGETHER: Final = frozenset({"row"})
"""The kinds of objects that are small and put many at a time, and so are signed together."""

_COMMANDS: Final[dict[type[BaseModel], frozenset[str]]] = {
    commands.PrepareModel: frozenset({CONTROL}),
    commands.ListIdentities: frozenset({CONTROL}),
    commands.EnrolClients: frozenset({CONTROL, CLIENT}),  # a client worker hands back the clients that it did not reach
    commands.TrainClients: frozenset({CONTROL, CLIENT}),
    commands.RegisterDevices: frozenset({CONTROL}),
    commands.ShareKeys: frozenset({CONTROL}),
    commands.SignAcceptedSet: frozenset({CONTROL}),
    commands.RevealShares: frozenset({CONTROL}),
    commands.HandOnShares: frozenset({CONTROL}),
    commands.FoldShard: frozenset({CONTROL, CLIENT}),  # the client that completes a shard
    commands.ReduceRound: frozenset({CONTROL, AGGREGATOR}),  # the aggregator that folds the last shard
    commands.EvaluateModel: frozenset({CONTROL}),
    commands.Sweep: frozenset({CONTROL}),
}
_FACTS: Final[dict[type[BaseModel], frozenset[str]]] = {
    facts.ModelPrepared: frozenset({AGGREGATOR}),
    facts.IdentitiesListed: frozenset({CLIENT}),
    facts.SharesHandedOn: frozenset({AGGREGATOR}),
    facts.RoundAggregated: frozenset({AGGREGATOR}),
    facts.RoundEvaluated: frozenset({EVALUATOR}),
    facts.EvaluationSkipped: frozenset({CONTROL}),
}


def senders(command: BaseModel) -> frozenset[str]:
    """The services that may send this command, or the fact in it."""
    if not isinstance(command, commands.HandleFact):
        return _COMMANDS[type(command)]
    fact = command.fact
    match fact:
        case facts.RoundReady():
            return frozenset({CLIENT if fact.because == "settled" else CONTROL})
        case facts.StepFailed():
            return _owners_of_failed_step(fact)
        case facts.StepFailing() | facts.Waiting():
            return frozenset({fact.service})
        case _:
            return _FACTS[type(fact)]


def _owners_of_failed_step(fact: facts.StepFailed) -> frozenset[str]:
    """The service whose step has failed. So a client worker may end a run only before its first round.

    A fact of an earlier version does not say which step it is about. It is believed from the aggregator only, which may end
    every round; the other services report again what they cannot do, once they are asked again.
    """
    return frozenset({AGGREGATOR if fact.step is None else fact.step.owner})

"""The deterministic key of every artifact, and who writes it. A task that runs twice writes the same bytes to the same key.

| artifact | written by | read by |
|---|---|---|
| records of runs, manifests, marks of uploads | control | control |
| claims on model versions | aggregator; control, for the weights that a plan starts from | control |
| uploaded models | control, for a user | aggregator |
| updates | the client of that name; combined ones: a client worker | aggregator |
| residuals | the client of that name | that client |
| identity lists | a client worker | client, aggregator, evaluator |
| partials, aggregations, server states | aggregator | aggregator; control reads aggregations |
| model versions | aggregator | client, evaluator, control for a download |
| class embeddings | aggregator | aggregator |
| rows of class embeddings | aggregator | the client of that name |
| guidance | aggregator | client |
| reports | evaluator | control, for the API |
| public keys of devices | a client worker | client, aggregator |
| key bundles | the client of that name | aggregator |
| rosters | aggregator | client, aggregator |
| received shares | aggregator | the client of that name |
| accepted sets | control | client, aggregator |
| signatures | the client of that name | client |
| revelations | the client of that name | aggregator |
| journals | the client of that name | that client |

The last eight are of secure aggregation (ADR 41). Control also deletes artifacts: of old rounds by the plan's retention, of
deleted runs, and those that nothing names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

RUNS: Final = "runs/"
"""The prefix of all artifacts of runs, except model versions and claims on them."""

UPLOADS: Final = "uploads/"
"""The prefix of the marks of uploaded models. The deletion of a run must not remove a model with a mark."""

OF_MASKS: Final = ("accepted_set", "key_bundle", "received_share", "revelation", "roster", "signature")
"""The kinds of artifacts that the masks of a round's updates need, and that are removed together with the updates."""

OTHER: Final = "other"
"""What `kind` calls a stray object."""

# How many parts the keys of each kind have: of those outside runs, of those of a run, and of those of a round.
_OUTSIDE_RUNS: Final = {"model": 2, "upload": 2, "claim": 3}
_OF_A_RUN: Final = {
    "run": 3,
    **dict.fromkeys(("class_embedding", "device", "guidance", "identity_list", "server_state"), 4),
    **dict.fromkeys(("journal", "row"), 5),
    "residual": 6,
}
_OF_A_ROUND: Final = {
    **dict.fromkeys(("manifest", "report"), 5),
    **dict.fromkeys(("aggregation", "partial", "update"), 6),
    **dict.fromkeys(OF_MASKS, 6),
    "received_share": 7,
}
_NUMBER: Final = re.compile(r"[0-9]{1,9}")

KINDS: Final = (*_OUTSIDE_RUNS, *_OF_A_RUN, *_OF_A_ROUND)
"""Every kind of artifact, as `kind` names it."""

CLAIMS: Final = "claims/"
"""The prefix of all claims."""

EARLIER_RUNS: Final = "claims/earlier-runs"
"""The key of the object that says how far the runs of earlier versions of FedFace, which put no claims, have claims now."""

MODELS: Final = "models/"
"""The prefix of all model versions."""


def run(run: str) -> str:
    """The key of a run's record, JSON. It is written when the run is created, when its operator changes it and when it ends.

    Each time the record is written before the ledger is.
    """
    return f"runs/{run}/run.json"


def update(run: str, number: int, client: str) -> str:
    """The key of a client's update, safetensors: its mean embedding at enrolment, else its encoded model."""
    return f"runs/{run}/rounds/{number}/updates/{client}.safetensors"


def combined_update(run: str, number: int, group: str) -> str:
    """The key of the update of several clients, safetensors: their exact sum. ``group`` is their `group_digest`."""
    return f"runs/{run}/rounds/{number}/updates/combined-{group}.safetensors"


def accepted_update(run: str, number: int, client: str, group: str | None) -> str:
    """The key of the object with a client's accepted update, which is that of all clients of its ``group`` if it has one."""
    return update(run, number, client) if group is None else combined_update(run, number, group)


def partial(run: str, number: int, shard: int, accepted: str) -> str:
    """The key of a shard's partial, safetensors; its metadata say which updates were folded and which refused.

    Only `fedface_aggregator.fold.fold` writes partials. ``accepted`` is the `accepted_digest` of the shard's accepted set:
    another set has another partial.
    """
    return f"runs/{run}/rounds/{number}/partials/{shard:06d}-{accepted}.safetensors"


def class_embeddings(run: str, sha256: str) -> str:
    """The key of class embeddings W (C×D), named by the SHA-256 of their bytes: little-endian float32, row by row.

    Only the aggregator reads them. A client gets the object of its own row.
    """
    return f"runs/{run}/class_embeddings/{sha256}.f32"


def row(run: str, sha256: str, client: str) -> str:
    """The key of a client's own row (D) of the class embeddings with this SHA-256. A policy can name one client's rows."""
    return f"{rows(run)}{sha256}/{client}.f32"


def rows(run: str) -> str:
    """The prefix of all rows of a run."""
    return f"runs/{run}/rows/"


def parse_row_key(key: str) -> str:
    """The SHA-256 of the class embeddings in the key of a row."""
    return key.split("/")[3]


def identity_list(run: str, sha256: str) -> str:
    """The key of the identity list that a run was prepared with, named by the SHA-256 of its bytes.

    `fedface_learning.data.identity_list` says what is in it. It names nobody.
    """
    return f"runs/{run}/identity_lists/{sha256}.txt"


def server_state(run: str, sha256: str) -> str:
    """The key of a server state, safetensors, named by the SHA-256 of its bytes.

    The aggregator keeps it for its next round; no client reads it.
    """
    return f"runs/{run}/server_state/{sha256}.safetensors"


def guidance(run: str, sha256: str) -> str:
    """The key of guidance, safetensors, named by the SHA-256 of its bytes: tensors that every client of a round may read."""
    return f"runs/{run}/guidance/{sha256}.safetensors"


def residual(run: str, number: int, client: str, sha256: str) -> str:
    """The key of a client's residual after a round, safetensors, named by the SHA-256 of its bytes.

    It is what the client keeps of its update for the next one: what the encoding left out, or its class embedding.

    A real device would keep its residual. Here clients are tasks on any worker, so residuals are in the artifact store; only
    the client's own tasks read them.
    """
    return f"{residuals(run)}{number}/{client}/{sha256}.safetensors"


def residuals(run: str) -> str:
    """The prefix of a run's residuals."""
    return f"runs/{run}/residuals/"


def parse_residual_key(key: str) -> tuple[int, str]:
    """The number of the round and the client in the key of a residual."""
    _, _, _, number, client, _ = key.split("/")
    return int(number), client


def aggregation(run: str, number: int, accepted: str) -> str:
    """The key of the aggregation of an accepted set, JSON; ``accepted`` is the set's `accepted_digest`.

    It is written last, so that a repeated task finds it and only reports it again.
    """
    return f"runs/{run}/rounds/{number}/aggregations/{accepted}.json"


def report(run: str, number: int) -> str:
    """The key of a round's verification report, JSON."""
    return f"runs/{run}/rounds/{number}/report.json"


def manifest(run: str, number: int) -> str:
    """The key of a round's manifest, JSON: what is needed to resume after this round if the ledger is lost."""
    return f"runs/{run}/rounds/{number}/manifest.json"


def model(sha256: str) -> str:
    """The key of a model version, safetensors, named by the SHA-256 of its bytes."""
    return f"{MODELS}{sha256}.safetensors"


def parse_model_key(key: str) -> str:
    """The SHA-256 in the key of a model version."""
    return key.removeprefix(MODELS).removesuffix(".safetensors")


def claim(sha256: str, run: str) -> str:
    """The key of a run's claim on a model version: the run names the model, so the model must stay.

    A claim is put before the model or the record that names it, so whatever a run names is claimed (ADR 27). The object is
    empty, or `claim_of_round`.
    """
    return f"{claims(sha256)}{run}"


def claim_of_round(number: int) -> bytes:
    """What is in the claim on a model version whose making the record of a round names: the number of the round.

    It saves who looks for this record from reading all. Nobody believes it: the record says what the round has made.
    """
    return str(number).encode()


def parse_claim_of_round(beginning: bytes) -> int | None:
    """The number in a claim that begins with these bytes; None if they are no number."""
    return int(beginning) if beginning.isdigit() else None


def claims(sha256: str) -> str:
    """The prefix of all claims on a model version."""
    return f"{CLAIMS}{sha256}/"


def parse_claim_key(key: str) -> tuple[str, str]:
    """The SHA-256 of the model version and the run in the key of a claim."""
    _, sha256, run = key.split("/")
    return sha256, run


def is_claim(key: str) -> bool:
    """Whether the key is that of a run's claim on a model version, so that `parse_claim_key` can read it."""
    return kind(key) == "claim" and key != EARLIER_RUNS


def run_folder(run: str) -> str:
    """The prefix of all artifacts of a run, except model versions and claims on them."""
    return f"runs/{run}/"


def transient_prefixes(run: str, number: int) -> tuple[str, str]:
    """The prefixes of what a round needs only until its manifest is written: of its updates, and of its partials."""
    return f"runs/{run}/rounds/{number}/updates/", f"runs/{run}/rounds/{number}/partials/"


def device(run: str, client: str) -> str:
    """The key of the public keys of a client's device, JSON. The first object that is put there counts for the whole run."""
    return f"runs/{run}/devices/{client}.json"


def key_bundle(run: str, number: int, client: str) -> str:
    """The key of a client's keys of one round, JSON: public keys, and shares that are sealed for its neighbours."""
    return f"runs/{run}/rounds/{number}/key_bundles/{client}.json"


def received_shares(run: str, number: int, shard: int, shard_round: str, client: str) -> str:
    """The key of what a client gets of its neighbours' key bundles, JSON. ``shard_round`` is as in `roster`."""
    return f"runs/{run}/rounds/{number}/received_shares/{_of_shard(shard, shard_round)}/{client}.json"


def roster(run: str, number: int, shard: int, shard_round: str) -> str:
    """The key of who of a shard has shared keys, JSON. The first object that is put there counts.

    ``shard_round`` is the digest of the shard's round. After the loss of the ledger a round may begin again from another
    model version: then it has another digest, and finds no roster.
    """
    return f"runs/{run}/rounds/{number}/rosters/{_of_shard(shard, shard_round)}.json"


def accepted_set(run: str, number: int, shard: int, shard_round: str) -> str:
    """The key of whose updates of a shard are summed, JSON. The first object that is put there counts, as of `roster`."""
    return f"runs/{run}/rounds/{number}/accepted_sets/{_of_shard(shard, shard_round)}.json"


def _of_shard(shard: int, shard_round: str) -> str:
    return f"{shard:06d}-{shard_round[:16]}"


def signature(run: str, number: int, client: str) -> str:
    """The key of a client's signature of the accepted set of its shard, JSON."""
    return f"runs/{run}/rounds/{number}/signatures/{client}.json"


def revelation(run: str, number: int, client: str) -> str:
    """The key of the shares that a client reveals, JSON."""
    return f"runs/{run}/rounds/{number}/revelations/{client}.json"


def journal(run: str, client: str, entry: str) -> str:
    """The key of one entry of a client's journal, JSON. The first object that is put there counts for the whole run.

    A real device would keep its journal. Here clients are tasks on any worker, so journals are in the artifact store.
    """
    return f"runs/{run}/journals/{client}/{entry}.json"


def prefixes_of_masks(run: str, number: int) -> tuple[str, ...]:
    """The prefixes of what the masks of a round's updates needed. Whoever has a device's secret opens updates with it."""
    return tuple(f"runs/{run}/rounds/{number}/{kind}s/" for kind in OF_MASKS)


def upload(sha256: str) -> str:
    """The key of the mark of an uploaded model."""
    return f"{UPLOADS}{sha256}"


def kind(key: str) -> str:
    """The kind of artifact that a key names, as the label of a metric: ``model``, ``update``, ``class_embedding``, …

    `OTHER` if the key has another shape than FedFace's: it is a stray object, which somebody else has put.
    """
    if key == EARLIER_RUNS:
        return "claim"
    parts = key.split("/")
    if parts[0] != "runs":
        return _if_whole(parts[0], parts, _OUTSIDE_RUNS)
    if len(parts) < 3:
        return OTHER
    if parts[2] != "rounds":
        found = _if_whole(parts[2].split(".")[0], parts, _OF_A_RUN)
        return found if found != "residual" or _NUMBER.fullmatch(parts[3]) else OTHER
    if len(parts) < 5 or not _NUMBER.fullmatch(parts[3]):
        return OTHER
    return _if_whole(parts[4].split(".")[0], parts, _OF_A_ROUND)


def _if_whole(folder: str, parts: Sequence[str], counts: Mapping[str, int]) -> str:
    """The kind of artifacts in a folder, or of a file, if keys of that kind have so many parts; else `OTHER`."""
    found = folder.removesuffix("s")
    return found if counts.get(found) == len(parts) else OTHER

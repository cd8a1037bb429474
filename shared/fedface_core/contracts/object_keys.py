"""The deterministic key of every artifact, and who writes it. A task that runs twice writes the same bytes to one place.

| artifact | written by | read by |
|---|---|---|
| a run's record, manifests, marks of uploads | control | control |
| uploaded models | control, for a user | aggregator |
| updates | the client of that name | aggregator |
| residuals | the client of that name | that client |
| partials, aggregations, server states | aggregator | aggregator; control reads aggregations |
| model versions | aggregator | client, evaluator, control for a download |
| class embeddings, guidance | aggregator | aggregator; a client reads its own row, and the guidance |
| reports | evaluator | control, for the API |

Control also deletes: old rounds by the plan's retention, runs, and what nothing names.
"""

from __future__ import annotations

from typing import Final

RUNS: Final = "runs/"
"""The prefix of all that runs keep, model versions apart."""

UPLOADS: Final = "uploads/"
"""The prefix of the marks of models that users uploaded: no run's deletion may take these along."""


def run(run: str) -> str:
    """The run as it was created and as an operator or its end last changed it, JSON; written before the ledger is."""
    return f"runs/{run}/run.json"


def update(run: str, number: int, client: str) -> str:
    """A client's update, safetensors: at enrolment its mean embedding, else its model, or how that has changed."""
    return f"runs/{run}/rounds/{number}/updates/{client}.safetensors"


def partial(run: str, number: int, shard: int, accepted: str) -> str:
    """What a shard's updates were folded into, safetensors, with what was folded and refused in the metadata.

    Only the aggregator writes it, when it folds the shard (`fedface_aggregator.fold.fold`). ``accepted`` is the
    `accepted_digest` of the shard: another set of updates has another partial.
    """
    return f"runs/{run}/rounds/{number}/partials/{shard:06d}-{accepted}.safetensors"


def class_embeddings(run: str, sha256: str) -> str:
    """W, named by its bytes: raw little-endian float32, row-major C×D. A client reads its own row by byte range."""
    return f"runs/{run}/class_embeddings/{sha256}.f32"


def server_state(run: str, sha256: str) -> str:
    """What the aggregator keeps from one round to the next, safetensors, named by its bytes. No client reads it."""
    return f"runs/{run}/server_state/{sha256}.safetensors"


def guidance(run: str, sha256: str) -> str:
    """What every client of a round may read beside the model, safetensors, named by its bytes."""
    return f"runs/{run}/guidance/{sha256}.safetensors"


def residual(run: str, number: int, client: str, sha256: str) -> str:
    """What the encoding of a client's update in a round left out, safetensors, named by its bytes: its own memory.

    A real device keeps it to itself. Here clients are tasks on any worker, so it lies in the store; nobody else reads it.
    """
    return f"{residuals(run)}{number}/{client}/{sha256}.safetensors"


def residuals(run: str) -> str:
    """The prefix of a run's residuals."""
    return f"runs/{run}/residuals/"


def parse_residual_key(key: str) -> tuple[int, str]:
    """Which round and which client the key of a residual names."""
    _, _, _, number, client, _ = key.split("/")
    return int(number), client


def aggregation(run: str, number: int, accepted: str) -> str:
    """What the aggregator made of an accepted set, JSON; written last, so that a repeated task only reports it again."""
    return f"runs/{run}/rounds/{number}/aggregations/{accepted}.json"


def report(run: str, number: int) -> str:
    """The evaluator's scores and ROC curve, JSON."""
    return f"runs/{run}/rounds/{number}/report.json"


def manifest(run: str, number: int) -> str:
    """All that is needed to resume after the round when the ledger is lost, JSON."""
    return f"runs/{run}/rounds/{number}/manifest.json"


def model(sha256: str) -> str:
    """A model version, safetensors, named by the SHA-256 of its bytes."""
    return f"models/{sha256}.safetensors"


def run_folder(run: str) -> str:
    """The prefix of all that a run keeps, model versions apart."""
    return f"runs/{run}/"


def transient_prefixes(run: str, number: int) -> tuple[str, str]:
    """The prefixes of what a round needs only until its manifest is written: updates and partials."""
    return f"runs/{run}/rounds/{number}/updates/", f"runs/{run}/rounds/{number}/partials/"


def upload(sha256: str) -> str:
    """The mark of a model that a user uploaded."""
    return f"{UPLOADS}{sha256}"


def kind(key: str) -> str:
    """What sort of artifact a key names, for the metric's label: model, update, partial, embeddings, report, …"""
    parts = key.split("/")
    if parts[0] != "runs":
        return parts[0].removesuffix("s")
    within = parts[4:] if parts[2] == "rounds" else parts[2:]
    return within[0].split(".")[0].removesuffix("s")

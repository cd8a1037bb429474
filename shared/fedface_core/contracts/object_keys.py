"""The deterministic key of every artifact. A task that runs twice writes the same bytes to the same place."""

from __future__ import annotations


def plan(run: str) -> str:
    """The run's plan, JSON; written before the run is recorded."""
    return f"runs/{run}/plan.json"


def update(run: str, number: int, client: str) -> str:
    """A client's update: safetensors; at enrolment its mean embedding."""
    return f"runs/{run}/rounds/{number}/updates/{client}.safetensors"


def partial(run: str, number: int, shard: int) -> str:
    """A shard's float64 sums, safetensors, with what was folded and refused in the metadata."""
    return f"runs/{run}/rounds/{number}/partials/{shard:06d}.safetensors"


def class_embeddings(run: str, number: int) -> str:
    """W after a round: raw little-endian float32, row-major C×D, so that a client can read its own row by byte range."""
    return f"runs/{run}/rounds/{number}/class_embeddings.f32"


def aggregation(run: str, number: int) -> str:
    """What the aggregator made of the round, JSON; written last, so that a repeated task only reports it again."""
    return f"runs/{run}/rounds/{number}/aggregation.json"


def report(run: str, number: int) -> str:
    """The evaluator's scores and ROC curve, JSON."""
    return f"runs/{run}/rounds/{number}/report.json"


def manifest(run: str, number: int) -> str:
    """All that is needed to resume after the round when the ledger is lost, JSON."""
    return f"runs/{run}/rounds/{number}/manifest.json"


def model(sha256: str) -> str:
    """A model version, safetensors, named by the SHA-256 of its bytes."""
    return f"models/{sha256}.safetensors"


def kind(key: str) -> str:
    """What sort of artifact a key names, for the metric's label: model, update, partial, embeddings, report, …"""
    name = key.split("/")
    if name[0] == "models":
        return "model"
    folder_or_file = name[4] if len(name) > 4 else name[-1]
    return folder_or_file.split(".")[0].removesuffix("s")

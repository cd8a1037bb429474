"""`fedface evaluate --protocol pairs`: 1:1 verification of all pairs of a data set, as the evaluator scores each round."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import torch

from fedface_cli.plain_console import PlainConsole
from fedface_cli.terminal import json_wanted, print_json, say
from fedface_core.domain.plan import DataPlan, Plan
from fedface_core.domain.results import far_label
from fedface_lab import results
from fedface_lab.evaluation.protocol_views import percent_interval
from fedface_learning.data import ImageSize, open_dataset, split_identities
from fedface_learning.data.reading import images_in_order
from fedface_learning.evaluation.all_pairs import tar_intervals, too_many_pairs
from fedface_learning.evaluation.bootstrap import MOST_PAIRS
from fedface_learning.evaluation.verification import embed_identities, verify_pairs
from fedface_learning.models import EmbeddingNetwork

Intervals = dict[str, tuple[float, float] | None]


def evaluate_pairs(
    network: EmbeddingNetwork,
    data: DataPlan,
    plan: Plan | None,
    identities: int,
    resamples: int,
    workers: int,
    notes: Sequence[str],
) -> None:
    """Score the test identities of ``plan``, or without a plan all identities of ``data``, and print the scores.

    ``identities`` is the number of people to render for a synthetic data set without a plan. ``resamples`` is the number of
    bootstrap resamples for 95 % intervals; 0 leaves the intervals out. Up to so many ``workers`` decode the photographs:
    processes, or with 1 this process itself. ``notes`` are printed below the scores.
    """
    size = ImageSize.of(network.plan)
    photographs = open_dataset(data, size, plan.split.identities if plan is not None else identities)
    tested = split_identities(photographs.identities, plan.split).test if plan is not None else photographs.identities
    far = (plan if plan is not None else Plan()).far
    intervals: Intervals = {}
    with PlainConsole(stderr=True).status(f"scoring {len(tested)} identities of {photographs.name}"):
        with closing(images_in_order(photographs, tested, workers)) as images_of_each:
            embeddings_ND, labels_N = embed_identities(network, map(torch.from_numpy, images_of_each))
        verification = verify_pairs(embeddings_ND, labels_N, far)
        scores = verification.scores
        resolved = [rate for rate in far if scores.tar[far_label(rate)] is not None]
        if resamples and resolved and not too_many_pairs(len(labels_N)):
            found = tar_intervals(embeddings_ND, labels_N, resolved, resamples)
            intervals = {far_label(rate): interval for rate, interval in zip(resolved, found, strict=True)}
    if json_wanted():
        by_figure = {f"tar@{far}": interval for far, interval in intervals.items()}
        beside = {"thresholds": dict(verification.thresholds), "cosines": verification.cosines.model_dump()}
        print_json({**results.figures(scores), "intervals": by_figure, **beside, "notes": list(notes)})
        return
    PlainConsole().print(results.scores_table(scores))
    pairs = f"{scores.genuine_pairs:,} genuine and {scores.impostor_pairs:,} impostor pairs"
    say(f"\n  {len(tested)} identities of {photographs.name}: {pairs}")
    if intervals:
        cells = (f"TAR@{far} {percent_interval(interval)}" for far, interval in intervals.items())
        say(f"  95 % over people: {', '.join(cells)}")
    elif resamples and too_many_pairs(len(labels_N)):
        say(f"  no intervals: a bootstrap holds all pairs in memory, and these are more than {MOST_PAIRS:,}")
    for note in notes:
        say(f"  {note}")

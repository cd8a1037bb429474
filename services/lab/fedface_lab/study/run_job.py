"""Runs one job of a study: simulates its plan in this process and writes the result."""

from __future__ import annotations

import time
from typing import Final

import torch
from torch import Tensor

from fedface_core.files.whole_file import write_whole
from fedface_lab.evaluation.centre_network import centre_of_clients
from fedface_lab.study.grid import Job
from fedface_lab.study.job_results import JobResult, ResultFolder, RoundResult, Snapshot
from fedface_lab.study.pretrained import starting_network
from fedface_learning.data import CachedDataset, open_photographs, split_identities
from fedface_learning.data.identity_list import identity_list
from fedface_learning.device import copy_on
from fedface_learning.evaluation.cosine_counts import count_cosines
from fedface_learning.evaluation.verification import verify_pairs
from fedface_learning.formats.codec import encode_tensors, sha256_hex
from fedface_learning.models.embedding import embed
from fedface_learning.simulation.simulate import SimulatedRound, simulate

_MOST_CACHED: Final = 2 << 30
"""Bytes of images that a job keeps: 12 images of 5,000 people at 112×96 in colour. Each round reads the public ones."""


def run_job(job: Job, folder: ResultFolder) -> None:
    """Simulate the job's plan and write its result. A job that is stopped leaves no result."""
    start = time.perf_counter()
    plan = job.plan
    network = starting_network(job, folder)
    dataset = CachedDataset(open_photographs(plan), _MOST_CACHED)
    if job.centred:
        network.centre.copy_(centre_of_clients(network, plan, dataset))
    people = split_identities(dataset.identities, plan.split).scored(job.scored_part)
    labels_N = torch.cat([torch.full((len(dataset.images(identity)),), label) for label, identity in enumerate(people)])
    rounds: list[RoundResult] = []
    embeddings: list[Tensor] = []
    snapshots: list[Snapshot] = []

    def keep(finished: SimulatedRound) -> None:
        verification = finished.verification
        if finished.number in (0, plan.rounds):
            there = copy_on(network, torch.device(plan.compute.device))
            recentred = job.recentred and finished.number > 0
            if recentred:
                there.centre.copy_(centre_of_clients(there, plan, dataset))
            embeddings.append(torch.cat([embed(there, dataset.images(identity)).cpu() for identity in people]))
            if recentred:
                verification = verify_pairs(embeddings[-1], labels_N, plan.far)
            assert verification is not None, "the first and the last round are always scored"
            snapshots.append(Snapshot(roc=verification.roc, cosines=count_cosines(embeddings[-1], labels_N)))
        scores = verification.scores if verification else None
        rounds.append(RoundResult(number=finished.number, aggregation=finished.aggregation, scores=scores))

    simulate(
        plan,
        keep,
        initial=network,
        dataset=dataset,
        evaluate_at=job.scored_rounds.__contains__,
        scored_part=job.scored_part,
        fused=job.fused,
    )
    before, after = snapshots
    if job.keeps_embeddings:
        tensors = {"before_ND": embeddings[0], "after_ND": embeddings[1], "labels_N": labels_N}
        write_whole(folder.embeddings(job), encode_tensors(tensors))
    result = JobResult(
        plan=plan,
        pretrain=job.pretrain,
        scored_part=job.scored_part,
        identity_list_sha256=sha256_hex(identity_list(dataset.identities)),
        rounds=tuple(rounds),
        before=before,
        after=after,
        fused=job.fused,
        centred=job.centred,
        recentred=job.recentred,
        seconds=round(time.perf_counter() - start, 1),
    )
    write_whole(folder.result(job), result.model_dump_json().encode())

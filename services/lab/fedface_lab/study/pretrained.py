"""The initial networks of a study, each pre-trained once, whichever jobs start from it."""

from __future__ import annotations

from dataclasses import dataclass

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_lab.study.grid import Job, digest_of
from fedface_lab.study.job_results import ResultFolder, write_whole
from fedface_learning.data import open_photographs, split_identities
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.models.weights import encode_network, load_network
from fedface_learning.pretraining import PretrainPlan, pretrain


@dataclass(frozen=True)
class Pretraining:
    """A network to pre-train. Its ``digest`` is of the model, the images, the people on them, and how it is trained."""

    plan: Plan
    how: PretrainPlan
    digest: str

    @property
    def title(self) -> str:
        """What people call it."""
        return f"pre-training {self.digest[:8]}"


def pretraining_of(job: Job) -> Pretraining | None:
    """What the job starts from; none where its plan's own weights are the start.

    `InvalidInputError` names the job where its data set has not the people that it needs.
    """
    if job.pretrain is None:
        return None
    # How many people there are, and what a client holds of them, makes no image of the public ones another.
    images = job.plan.data.model_dump(mode="json", exclude={"identities", "images_per_client"})
    try:
        people = split_identities(open_photographs(job.plan).identities, job.plan.split).public
    except InvalidInputError as error:
        raise InvalidInputError(f"{job.title}: {error}") from None
    parts = {"images": images, "people": people, "how": job.pretrain.model_dump(mode="json")}
    return Pretraining(job.plan, job.pretrain, digest_of({"model": job.plan.model.model_dump(mode="json"), **parts}))


def run_pretraining(work: Pretraining, folder: ResultFolder) -> None:
    """Pre-train, going on from where a run that was stopped had come to; weights are drawn by the pre-training's seed."""
    dataset, path = open_photographs(work.plan), folder.network(work.digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint = path.with_suffix(".checkpoint")
    network = initial_network(work.plan.model, work.how.seed)
    public = split_identities(dataset.identities, work.plan.split).public
    pretrain(network, dataset, public, work.how, checkpoint=checkpoint)
    write_whole(path, encode_network(network))
    checkpoint.unlink()


def starting_network(job: Job, folder: ResultFolder) -> EmbeddingNetwork:
    """The network that the job starts from."""
    work = pretraining_of(job)
    if work is None:
        return initial_network(job.plan.model, job.plan.seed)
    path = folder.network(work.digest)
    return load_network(job.plan.model, path.read_bytes(), str(path))

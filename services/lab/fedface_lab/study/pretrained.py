"""The initial networks of a study's jobs. Jobs with equal pre-trainings share a network, which is trained once."""

from __future__ import annotations

from dataclasses import dataclass

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_core.files.whole_file import make_folder, write_whole
from fedface_lab.study.grid import Job, digest_of
from fedface_lab.study.job_results import ResultFolder
from fedface_learning.data import open_photographs, split_identities
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.models.weights import encode_network, load_network
from fedface_learning.pretraining import PretrainPlan, pretrain


@dataclass(frozen=True)
class Pretraining:
    """A network to pre-train. Its ``digest`` is of all that determines the weights: model, images, people and settings."""

    plan: Plan
    settings: PretrainPlan
    digest: str

    @property
    def title(self) -> str:
        """The pre-training's name for people."""
        return f"pre-training {self.digest[:8]}"


def pretraining_of(job: Job) -> Pretraining | None:
    """The pre-training that the job needs; None if the job starts from its plan's own weights.

    Raises `InvalidInputError`, which names the job, if its data set has too few people.
    """
    if job.pretrain is None:
        return None
    # These two fields do not change the images of the public identities.
    images = job.plan.data.model_dump(mode="json", exclude={"identities", "images_per_client"})
    try:
        people = split_identities(open_photographs(job.plan).identities, job.plan.split).public
    except InvalidInputError as error:
        raise InvalidInputError(f"{job.title}: {error}") from None
    parts = {
        "model": job.plan.model.model_dump(mode="json"),
        "images": images,
        "people": people,
        "how": job.pretrain.model_dump(mode="json"),
    }
    return Pretraining(job.plan, job.pretrain, digest_of(parts))


def run_pretraining(pretraining: Pretraining, folder: ResultFolder) -> None:
    """Pre-train a network and write its weights. Goes on from the checkpoint of a pre-training that was stopped."""
    dataset = open_photographs(pretraining.plan)
    path = folder.network(pretraining.digest)
    make_folder(path.parent)
    checkpoint = path.with_suffix(".checkpoint")
    network = initial_network(pretraining.plan.model, pretraining.settings.seed)
    public = split_identities(dataset.identities, pretraining.plan.split).public
    pretrain(network, dataset, public, pretraining.settings, checkpoint=checkpoint)
    write_whole(path, encode_network(network))
    checkpoint.unlink()


def starting_network(job: Job, folder: ResultFolder) -> EmbeddingNetwork:
    """The network that the job starts from: pre-trained, which must have been done, or with its plan's own weights."""
    pretraining = pretraining_of(job)
    if pretraining is None:
        return initial_network(job.plan.model, job.plan.seed)
    path = folder.network(pretraining.digest)
    return load_network(job.plan.model, path.read_bytes(), str(path))

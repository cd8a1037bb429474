"""The results of a study's jobs, as files: a JSON file for each job, and for some the embeddings of the test images."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Aggregation, CosineCounts, RocCurve, Scores
from fedface_lab.study.grid import RESULT_SCHEMA, Job
from fedface_learning.data import ScoredPart
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.pretraining import PretrainPlan


class _ResultPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RoundResult(_ResultPart):
    """The results of one round; ``scores`` is None if the round was not scored."""

    number: int
    aggregation: Aggregation
    scores: Scores | None


class Snapshot(_ResultPart):
    """The ROC curve and the cosines of the model after the first or the last round."""

    roc: RocCurve
    cosines: CosineCounts


class JobResult(_ResultPart):
    """The stored result of a job. It follows from the job and its data set, except ``seconds``, the time that it took."""

    schema_version: Literal[2] = RESULT_SCHEMA
    plan: Plan
    pretrain: PretrainPlan | None
    scored_part: ScoredPart = "test"
    identity_list_sha256: str | None = None
    """The identity list of the data set when the job was run; None in results of older versions."""
    fused: bool = False
    """Whether each round was computed as one batch."""
    centred: bool = False
    """Whether the mean feature of the clients was the centre of the network that the run started from."""
    recentred: bool = False
    """Whether the mean feature of the clients, by the last model, became the centre of that model before it was scored."""
    rounds: tuple[RoundResult, ...]
    before: Snapshot
    after: Snapshot
    seconds: float


class ResultFolder:
    """The folder of a study's files: gives their paths and reads results."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def study(self) -> Path:
        """The path of the study file, a copy of the one that was run last."""
        return self.root / "study.toml"

    def lock(self) -> Path:
        """The path of the lock that the process that runs the study holds."""
        return self.root / ".lock"

    def result(self, job: Job) -> Path:
        """The path of the job's result."""
        return self.root / "jobs" / f"{job.digest}.json"

    def embeddings(self, job: Job) -> Path:
        """The path of the test images' embeddings: safetensors ``before_ND``, ``after_ND`` and ``labels_N``."""
        return self.root / "jobs" / f"{job.digest}.safetensors"

    def network(self, digest: str) -> Path:
        """The path of a pre-trained network's weights, by the digest of its pre-training."""
        return self.root / "networks" / f"{digest}.safetensors"

    def load(self, job: Job) -> JobResult | None:
        """The job's result; None if there is none yet. Raises `InvalidInputError` if the file is damaged."""
        path = self.result(job)
        try:
            return JobResult.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise InvalidInputError(f"{path} is not a result of this study: remove it, and run the study again") from error

    def load_embeddings(self, job: Job) -> dict[str, Tensor] | None:
        """The tensors ``before_ND``, ``after_ND`` and ``labels_N`` that the job stored; None if it stored none."""
        path = self.embeddings(job)
        return decode_tensors(path.read_bytes())[0] if path.exists() else None

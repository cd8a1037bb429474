"""What a job came to: one JSON file, whole or absent, and beside it the embeddings of the test images."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Aggregation, RocCurve, Scores
from fedface_lab.study.grid import RESULT_SCHEMA, Job
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.pretraining import PretrainPlan


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RoundResult(_Stored):
    """One round; no scores where it was not to be scored."""

    number: int
    aggregation: Aggregation
    scores: Scores | None


class CosineCounts(_Stored):
    """How many test pairs have a cosine in each of equally wide bins from −1 to 1."""

    genuine: list[int]
    impostor: list[int]


class Snapshot(_Stored):
    """A closer look at the model of the first or the last round."""

    roc: RocCurve
    cosines: CosineCounts


class JobResult(_Stored):
    """All that a study keeps of a job. It follows from the job alone, but for ``seconds``."""

    schema_version: Literal[1] = RESULT_SCHEMA
    plan: Plan
    pretrain: PretrainPlan | None
    rounds: tuple[RoundResult, ...]
    before: Snapshot
    after: Snapshot
    seconds: float


class ResultFolder:
    """Where a study's files lie."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def study(self) -> Path:
        """The study's own file, as it last was run."""
        return self.root / "study.toml"

    def lock(self) -> Path:
        """Held by the one process that runs the study."""
        return self.root / ".lock"

    def result(self, job: Job) -> Path:
        """The job's result."""
        return self.root / "jobs" / f"{job.digest}.json"

    def embeddings(self, job: Job) -> Path:
        """Tensors ``before_ND``, ``after_ND`` and ``labels_N`` of the test images; of the jobs that keep them."""
        return self.root / "jobs" / f"{job.digest}.safetensors"

    def network(self, digest: str) -> Path:
        """A pre-trained network."""
        return self.root / "networks" / f"{digest}.safetensors"

    def load(self, job: Job) -> JobResult | None:
        """The job's result; none where there is none yet. `InvalidInputError` where the file is damaged."""
        path = self.result(job)
        try:
            return JobResult.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise InvalidInputError(f"{path} is not a result of this study: remove it, and run the study again") from error

    def load_embeddings(self, job: Job) -> dict[str, Tensor] | None:
        """The tensors that the job kept; none where there are none."""
        path = self.embeddings(job)
        return decode_tensors(path.read_bytes())[0] if path.exists() else None


def write_whole(path: Path, data: bytes) -> None:
    """Write beside, then move into place: whoever stops us leaves the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)

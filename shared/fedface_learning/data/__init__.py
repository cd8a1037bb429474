"""Data sets of faces: the images of each identity as uint8 tensors of the size that the model takes."""

from __future__ import annotations

from fedface_core.domain.plan import DataPlan, Plan
from fedface_learning.data.cached_dataset import CachedDataset
from fedface_learning.data.dataset import FaceDataset, ImageSize
from fedface_learning.data.folder import open_folder
from fedface_learning.data.orl import open_orl
from fedface_learning.data.photograph_roots import ANYWHERE, NOWHERE, PhotographRoots
from fedface_learning.data.recordio import open_recordio
from fedface_learning.data.split import IdentitySplit, ScoredPart, split_identities
from fedface_learning.data.synthetic import SyntheticDataset

__all__ = [
    "ANYWHERE",
    "NOWHERE",
    "CachedDataset",
    "FaceDataset",
    "IdentitySplit",
    "ImageSize",
    "PhotographRoots",
    "ScoredPart",
    "open_dataset",
    "open_photographs",
    "split_identities",
]


def open_dataset(data: DataPlan, size: ImageSize, identities: int, roots: PhotographRoots = ANYWHERE) -> FaceDataset:
    """Open the data set that ``data`` names, whose images have the given size. No image is read yet.

    ``identities`` is the number that the split needs: the data set ``synthetic`` has so many, unless ``data.identities`` is
    set. `split_identities` checks whether there are enough. `DataError` says what is wrong with the data set and
    what would be right. Files are read below the ``roots`` only.
    """
    match data.dataset:
        case "orl":
            return open_orl(data, size)
        case "folder":
            return open_folder(data, size, roots)
        case "recordio":
            return open_recordio(data, size, roots)
        case "synthetic":
            return SyntheticDataset(data, size, data.identities or identities)


def open_photographs(plan: Plan) -> FaceDataset:
    """Open the plan's data set at the size that the plan's model takes, as `open_dataset` does."""
    return open_dataset(plan.data, ImageSize.of(plan.model), plan.split.identities)

"""The data sets that a process has opened, each with the identities that its runs were prepared with, and no others.

The split is drawn from all identities of a data set, so one person more or less can make other people clients. A data set
is therefore used for a run only if its identity list is the run's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import torch
from torch import Tensor

from fedface_core.contracts import object_keys
from fedface_core.domain.data_error import DataError, DataReason
from fedface_core.domain.device_kinds import DeviceKind
from fedface_core.domain.errors import ArtifactMissingError, DamagedObjectError, InvalidInputError
from fedface_core.domain.plan import DataPlan, Plan, SplitPlan
from fedface_core.domain.round import RoundState
from fedface_core.ports import ArtifactStore
from fedface_learning.data import (
    CachedDataset,
    FaceDataset,
    IdentitySplit,
    ImageSize,
    PhotographRoots,
    open_dataset,
    split_identities,
)
from fedface_learning.data.identity_list import MOST_BYTES, IdentityChanges, identity_list
from fedface_learning.device import room_for_images
from fedface_learning.formats.codec import sha256_hex
from fedface_worker.checked_artifacts import get_checked

_KEPT: Final = 2
"""How many data sets a process keeps open."""


@dataclass(frozen=True)
class Photographs:
    """The photographs of a data set, and which of its identities are public, clients and test."""

    dataset: FaceDataset
    split: IdentitySplit


class DataSets:
    """Opens each data set once per process, and keeps the images that were read from the two newest ones."""

    def __init__(self, artifacts: ArtifactStore, max_image_bytes: int, roots: PhotographRoots) -> None:
        """Up to ``max_image_bytes`` bytes of images are kept of each data set, or more on a GPU, for plans that have one.
        Files are read below the ``roots`` only.
        """
        self._artifacts = artifacts
        self._roots = roots
        self._max_image_bytes = max_image_bytes
        # The list is a part of the key, and a data set with another list is not kept. So a process that has refused a data
        # set looks at it again for the next client, and goes on once it is put back.
        self._open = lru_cache(maxsize=_KEPT)(self._open_if_unchanged)

    def photographs(self, plan: Plan, current: RoundState) -> Photographs:
        """The photographs of the plan's data set, for the round ``current``.

        `DataError` if the data set cannot be opened, has too few identities, or has other identities than when the run was
        prepared.
        """
        try:
            kind = plan.compute.device
            return self._open(plan.data, ImageSize.of(plan.model), plan.split, current.identity_list_sha256, kind)
        except _OtherIdentitiesError as error:
            changes = self._changes(current, error.identities)
            raise DataError(
                reason=DataReason.CHANGED,
                added=changes.added if changes else None,
                removed=changes.removed if changes else None,
            ) from None

    def _open_if_unchanged(
        self, data: DataPlan, size: ImageSize, split: SplitPlan, identity_list_sha256: str | None, kind: DeviceKind
    ) -> Photographs:
        """Open a data set, unless its list is another one. Runs of older versions have no list, and take any data set."""
        dataset = _opened(data, size, split, self._roots)
        if identity_list_sha256 is not None:
            seen = identity_list(dataset.identities)
            if sha256_hex(seen) != identity_list_sha256:
                raise _OtherIdentitiesError(seen)
        device = torch.device(kind)
        kept = CachedDataset(dataset, room_for_images(device, self._max_image_bytes), device)
        return Photographs(kept, split_identities(dataset.identities, split))

    def _changes(self, current: RoundState, seen: bytes) -> IdentityChanges | None:
        """How many people were added and removed; None if the store does not have the run's list any more."""
        sha256 = current.identity_list_sha256
        assert sha256 is not None, "it differs from the list that was seen"
        try:
            prepared = get_checked(self._artifacts, object_keys.identity_list(current.run_id, sha256), sha256, MOST_BYTES)
        except (ArtifactMissingError, DamagedObjectError):
            return None
        return IdentityChanges.between(prepared, seen)


def list_identities_now(plan: Plan, roots: PhotographRoots) -> bytes:
    """The identity list of the plan's data set as it is now, whatever the process has opened before.

    Files are read below the ``roots`` only. `DataError` if the data set cannot be opened or has too few identities for the
    plan's split.
    """
    dataset = _opened(plan.data, ImageSize.of(plan.model), plan.split, roots)
    split_identities(dataset.identities, plan.split)
    return identity_list(dataset.identities)


def _opened(data: DataPlan, size: ImageSize, split: SplitPlan, roots: PhotographRoots) -> FaceDataset:
    with _as_data_errors():
        return _GuardedDataset(open_dataset(data, size, split.identities, roots))


class _GuardedDataset:
    """A `FaceDataset` whose errors of input are all `DataError`, whatever the data set of an extension raises.

    Other errors of input may leave the machine with their messages, and those of a data set may not.
    """

    def __init__(self, dataset: FaceDataset) -> None:
        self._dataset = dataset
        self.name = dataset.name
        self.identities = dataset.identities

    def images(self, identity: str) -> Tensor:
        """All images of an identity (N, C, H, W), uint8. `DataError` if it is unknown, or an image cannot be used."""
        with _as_data_errors():
            return self._dataset.images(identity)


@contextmanager
def _as_data_errors() -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except (InvalidInputError, PermissionError) as error:
        raise DataError(str(error)) from error


class _OtherIdentitiesError(Exception):
    """A data set has other identities than those that it was opened for."""

    def __init__(self, identities: bytes) -> None:
        super().__init__("the data set has another identity list")
        self.identities = identities

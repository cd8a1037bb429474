"""Results of a round, for tests that need some but do not care which."""

from __future__ import annotations

from fedface_core.domain.results import Aggregation, Scores

AGGREGATION = Aggregation(
    model_sha256="a" * 64,
    class_embeddings_sha256="b" * 64,
    folded=7,
    images=70,
    uploaded_bytes=700,
    refused={},
    update_norm=None,
    loss_before=None,
    spreadout_loss=0.1,
    mean_off_diagonal_cosine=0.0,
    max_off_diagonal_cosine=0.3,
)
SCORES = Scores(
    tar={"1e-1": 0.9},
    auc=0.95,
    eer=0.1,
    genuine_pairs=10,
    impostor_pairs=100,
    mean_genuine_cosine=0.7,
    mean_impostor_cosine=0.0,
)

"""Fixtures of the tests of the evaluator: torch as the workers set it, and a few faces on disk."""

from support.service_fixtures import deterministic_torch, faces

__all__ = ["deterministic_torch", "faces"]

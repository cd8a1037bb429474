"""Evaluator: scores model versions and publishes the verification metrics."""

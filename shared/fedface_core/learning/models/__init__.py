"""Embedding networks, by name."""

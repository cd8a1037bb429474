"""Signatures: each service signs the objects and the messages that it makes, and whoever reads them checks that (ADR 29)."""

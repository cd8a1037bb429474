"""Tells receivers over HTTP what happens to runs and rounds (Standard Webhooks), from the ledger's audit trail (ADR 33)."""

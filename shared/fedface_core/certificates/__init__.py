"""The certificates of a deployment: an authority of its own, and what it signs for each server that speaks TLS."""

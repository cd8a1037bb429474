"""What keeps the artifact store clean, and restores runs that the ledger has lost: retention, garbage, restoring."""

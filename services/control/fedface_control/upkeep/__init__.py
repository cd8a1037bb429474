"""What keeps the store clean and can bring back what the ledger has lost: retention, garbage, restoring."""

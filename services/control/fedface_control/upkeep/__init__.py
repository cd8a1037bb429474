"""What keeps runs moving and the store clean: the sweep, retention, garbage, and bringing back what the ledger has lost."""

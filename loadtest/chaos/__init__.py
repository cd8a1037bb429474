"""The proof that no crash changes a run: the same plan twice, once in peace and once under an adversary, and compared."""

"""Whole runs in one process. `simulate.py` runs a plan; `federated_rounds.py` has the rounds that services compute too."""

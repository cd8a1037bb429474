"""Chaos: one plan is run twice, once without faults and once disturbed by an adversary, and the results are compared."""

"""`fedface study`: many simulated runs from one file, and what they came to as tables and plots."""

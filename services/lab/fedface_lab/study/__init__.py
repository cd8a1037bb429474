"""`fedface study`: many simulated runs from one file, and tables and plots of their results."""

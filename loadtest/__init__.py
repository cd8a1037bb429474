"""`fedface bench` and load by Locust: benchmarks, comparisons with peers, and runs that are disturbed by faults."""

"""Load on the control API by Locust: `python -m locust --config loadtest/locust/locust.conf`."""

"""``make dashboards``: draws the dashboards of deploy/grafana from live data, so that people see what they tell."""

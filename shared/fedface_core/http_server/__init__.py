"""An HTTP server that no client can fill: what the API and the console are served by."""

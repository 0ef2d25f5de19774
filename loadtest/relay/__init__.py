"""What it costs to carry TCP connections and UDP sessions that are not HTTP: `python -m loadtest tcp` and `udp`."""

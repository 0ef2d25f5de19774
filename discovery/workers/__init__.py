"""The connection to the workers: what is published to them, and what they subscribe to."""

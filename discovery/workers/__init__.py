"""The workers' end: what is published to them, and what they subscribe to."""

"""Choosing an endpoint: balancers, health, sticky sessions. Pure."""

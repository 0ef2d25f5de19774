"""Addresses of ExternalName services, by DNS."""

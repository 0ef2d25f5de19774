"""Redis's protocol, as far as what clients send can be counted."""

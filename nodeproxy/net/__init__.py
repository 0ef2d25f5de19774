"""The hot lane: every byte of clients and endpoints moves here, driven by one reactor."""

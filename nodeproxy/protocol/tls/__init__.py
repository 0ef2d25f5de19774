"""TLS as far as the mesh reads it without keys: the ClientHello, which is sent in the clear; and alerts."""

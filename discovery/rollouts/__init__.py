"""Changed policy tables that take effect for a part of the requests or nodes first."""

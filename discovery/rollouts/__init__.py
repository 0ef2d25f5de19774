"""Changed policy tables that take force for a part of the requests or nodes first."""

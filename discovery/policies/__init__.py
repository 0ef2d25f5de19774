"""Policy tables: from ConfigMaps to what is in force for a service."""

"""Telemetry: plain counters, metrics, logs."""

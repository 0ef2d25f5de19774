"""What the proxy says about itself: plain counters, metrics, logs."""

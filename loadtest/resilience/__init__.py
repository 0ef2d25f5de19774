"""What policies are worth when endpoints are overloaded, slow or failing: `python -m loadtest resilience`."""

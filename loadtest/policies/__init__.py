"""What policies cost: each alone, and eight together beside Envoy and Traefik with their equivalents."""

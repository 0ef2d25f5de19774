"""The trio lane: what happens rarely and wants libraries."""

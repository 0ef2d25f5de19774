"""One request on its way, whatever the protocols on either side of it."""

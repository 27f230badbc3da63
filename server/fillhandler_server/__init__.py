"""Fill Handler's server."""

"""gRPC: each servicer method is convert → call → convert."""

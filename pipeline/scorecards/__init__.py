"""Health scores: how bad it is, from weighted dimensions."""

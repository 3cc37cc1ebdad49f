"""Calls to remote services: retries and the circuit breaker."""

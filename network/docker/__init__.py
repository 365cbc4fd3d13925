"""Sites from Docker containers: a container a node, and one that owns the others and is their switch.

docs/architecture.md ("Sites from containers") says how they hang together.
"""

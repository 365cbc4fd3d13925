"""Sites from Docker containers: a container a node, two bridge networks, and one container that owns the others.

docs/architecture.md ("Sites from containers") says how they hang together.
"""

"""Puts a site together and runs scenarios on it.

The launcher imports this package with a Python that has no third-party packages, so nothing is imported here.
"""

"""What the launcher does before the command line runs: system tools, and the Python environment.

It runs on the machine's own Python, so it imports the standard library only.
"""

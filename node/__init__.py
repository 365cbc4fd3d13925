"""What every node process of a site stands on: its clock, its control socket and its entry point.

This is the lowest floor. It knows nothing of networks, emulators or proxies.
"""

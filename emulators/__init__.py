"""Stand-ins for what cannot be had: the PBX and the cloud. They know neither the bench nor the network."""

"""The manual exploratory bench: a site that is kept, for a person to play with by command, page and mitmweb."""

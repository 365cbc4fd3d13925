"""The namespace fabric: a whole site in Linux namespaces, owned by one process and gone with it."""

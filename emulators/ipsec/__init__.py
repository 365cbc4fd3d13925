"""The real IPsec: strongSwan's charon as the child of a node, how it is asked, and who encrypts its packets."""

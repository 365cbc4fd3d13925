"""The infrastructure of Cloud Connect (CCI): the connection service and the VPN gateway."""

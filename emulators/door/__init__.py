"""The door of a service in the cloud: TLS, WebSocket, login, and what can be made wrong with them on purpose."""

"""The one process that holds State, the HTTP API and the loops."""

"""The agent: speaks to the controller for one VM, restartable at any time."""

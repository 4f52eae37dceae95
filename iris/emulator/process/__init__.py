"""VMs that are folders and processes of this machine, each at its own address."""

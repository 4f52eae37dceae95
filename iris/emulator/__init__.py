"""A stand-in for Google Cloud on this machine: its APIs over HTTP, VMs that boot."""

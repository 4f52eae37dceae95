"""The driver `docker`: a VM is a container with an sshd and an engine of its own."""

"""Container images of Iris: built by the docker client, named, pinned by digest.

Stands on the docker client alone: who uses it decides what is built and where it goes.
"""

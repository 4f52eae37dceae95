"""Iris boots a TPU cluster from one YAML file and runs jobs on it."""

__version__ = "0.1.0"

"""The planning core, State and the loops against a model of the cloud, seeded."""

"""HTTP to a controller, for commands and for programs.

with Client.of_cluster() as client:
job = client.submit(JobSpec(command=("python", "train.py"), name="train"))
client.wait_for_job(job.name)
"""

from iris.client.client import Client

__all__ = ["Client"]

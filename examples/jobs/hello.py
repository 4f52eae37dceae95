"""Says which task of which job this is, and where it runs."""

import os

task, tasks = os.environ["IRIS_TASK_INDEX"], os.environ["IRIS_NUM_TASKS"]
where = f"{os.environ['IRIS_SLICE']}/{os.environ['TPU_WORKER_ID']}"
print(f"hello from task {task} of {tasks} on {where}")
if coordinator := os.environ.get("IRIS_COORDINATOR"):
    print(f"task {task} meets its gang at {coordinator}")

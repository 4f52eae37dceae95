"""A member of a gang proves that all others are there at the same time.

Every member sends its number to task 0 and keeps the line open; task 0 answers only
once all lines are open at once, with everybody's number and the port for JAX. Where
JAX can be imported, a psum over all members follows.
"""

import json
import os
import socket
import time

PATIENCE = 60.0  # seconds for all members to come

index, members = int(os.environ["IRIS_TASK_INDEX"]), int(os.environ["IRIS_NUM_TASKS"])
host, _, port = os.environ["IRIS_COORDINATOR"].rpartition(":")


def lead() -> dict:
    """Take every member's number, then answer all of them at once."""
    with socket.create_server((host, int(port)), backlog=members) as server:
        server.settimeout(PATIENCE)
        lines = [server.accept()[0] for _ in range(members - 1)]
    numbers = [0, *(int(line.makefile().readline()) for line in lines)]
    with socket.create_server((host, 0)) as free:
        answer = {"there": sorted(numbers), "port": free.getsockname()[1]}
    for line in lines:
        line.sendall(json.dumps(answer).encode() + b"\n")
        line.close()
    return answer


def join() -> dict:
    """Say our number, and wait until all are there."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            line = socket.create_connection((host, int(port)), timeout=PATIENCE)
            break
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
    with line:
        line.sendall(f"{index}\n".encode())
        return json.loads(line.makefile().readline())


met = lead() if index == 0 else join()
print(f"task {index} met {met['there']}", flush=True)
try:
    import jax
except ImportError:
    print(f"task {index} has no jax")
else:
    jax.distributed.initialize(f"{host}:{met['port']}", members, index)
    count = jax.local_device_count()
    total = jax.pmap(lambda one: jax.lax.psum(one, "all"), axis_name="all")(
        jax.numpy.ones(count)
    )
    print(f"task {index} psum {int(total[0])} of {jax.device_count()}", flush=True)
    jax.distributed.shutdown()

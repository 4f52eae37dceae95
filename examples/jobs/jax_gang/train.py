"""A data-parallel training step over all members of a gang, with a psum.

Every member holds a share of the data, computes the gradient on it, and takes the
mean over all members; all end with the same weights. Runs on CPU as well.
"""

import os

import jax
import jax.numpy as jnp
import numpy as np

STEPS = 50
RATE = 0.1


def main() -> None:
    """Join the gang, fit a line, and say what came out."""
    index, members = (
        int(os.environ["IRIS_TASK_INDEX"]),
        int(os.environ["IRIS_NUM_TASKS"]),
    )
    jax.distributed.initialize(
        coordinator_address=os.environ["IRIS_COORDINATOR"],
        num_processes=members,
        process_id=index,
    )
    devices = jax.local_device_count()
    xs, ys = _share(index, devices)
    step = jax.pmap(_step, axis_name="gang")
    weights = jnp.zeros((devices, 2))
    for _ in range(STEPS):
        weights = step(weights, xs, ys)
    count = jax.pmap(lambda one: jax.lax.psum(one, "gang"), axis_name="gang")
    total = int(count(jnp.ones(devices))[0])
    slope, offset = np.asarray(weights[0]).round(3)
    print(
        f"task {index}: {total} devices, y = {slope:.3f} x + {offset:.3f}", flush=True
    )
    jax.distributed.shutdown()


def _share(index: int, devices: int) -> tuple[jax.Array, jax.Array]:
    """This member's part of y = 3 x + 1, one row a device."""
    xs = np.random.default_rng(index).uniform(-1, 1, size=(devices, 256))
    return jnp.asarray(xs), jnp.asarray(3 * xs + 1)


def _step(weights: jax.Array, xs: jax.Array, ys: jax.Array) -> jax.Array:
    def loss(weights: jax.Array) -> jax.Array:
        return jnp.mean((weights[0] * xs + weights[1] - ys) ** 2)

    return weights - RATE * jax.lax.pmean(jax.grad(loss)(weights), "gang")


if __name__ == "__main__":
    main()

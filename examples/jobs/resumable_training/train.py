"""Trains on scikit-learn's handwritten digits, and goes on where it was cut off.

    inv job.run --checkpoint-dir /shared/digits --stop-grace 20s -- \
        python examples/jobs/resumable_training/train.py

It keeps a checkpoint every EVERY epochs, and one at the signal. The order of the images
depends on the seed and the epoch alone: cut off or not, the weights at the end are the
same to the last bit.
"""

import hashlib
import os
import signal
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

EPOCHS = int(os.environ.get("EPOCHS", "300"))
EVERY = int(os.environ.get("EVERY", "50"))
BATCH, RATE = 64, 0.1


def main() -> None:
    """Train from the newest checkpoint on; leave with another one at the signal."""
    asked = []  # the signal, once it came
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    file = Path(os.environ["IRIS_CHECKPOINT_DIR"]) / "newest.npz"
    images, labels = load_digits(return_X_y=True)
    images = images / 16.0
    weights, first = np.zeros((images.shape[1], 10)), 0
    if file.exists():
        with np.load(file) as kept:
            weights, first = kept["weights"], int(kept["epoch"])
        because = os.environ.get("IRIS_RESUME_REASON", "it was asked for again")
        print(f"goes on at epoch {first}: {because}")
    for epoch in range(first, EPOCHS):
        order = np.random.default_rng(epoch).permutation(len(images))
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            weights -= RATE * slope(weights, images[some], labels[some])
        if asked or (epoch + 1) % EVERY == 0:
            save(file, weights, epoch + 1)
            print(f"epoch {epoch + 1} is kept", "at the signal" if asked else "in time")
        if asked:
            leave()
    right = float(np.mean(np.argmax(images @ weights, axis=1) == labels))
    digest = hashlib.sha256(weights.tobytes()).hexdigest()
    print(f"done: {right:.3f} of the digits are read right, weights {digest[:16]}")


def slope(weights, images, labels):
    """The gradient of the cross entropy of a softmax, averaged over the images."""
    scores = images @ weights
    chances = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    chances[np.arange(len(labels)), labels] -= 1.0
    return images.T @ chances / len(labels)


def save(file: Path, weights, epoch: int) -> None:
    """Put a checkpoint in place whole: the one before it stands until then."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    with fresh.open("wb") as stream:
        np.savez(stream, weights=weights, epoch=epoch)
    fresh.replace(file)


def leave() -> None:
    """Before the deadline, and not with status 0: the work is not done yet."""
    deadline = Path(os.environ["IRIS_DEADLINE_FILE"]).read_text().strip()
    raise SystemExit(f"asked to end by {deadline}")


if __name__ == "__main__":
    main()

"""Trains one setting of a sweep on scikit-learn's handwritten digits.

Each of the 16 tasks takes the setting of its index and prints one line of JSON.
"""

import json
import os
from itertools import product

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

SETTINGS = list(product((0.1, 1.0, 10.0, 100.0), (0.0001, 0.0005, 0.001, 0.01)))


def main() -> None:
    """Train, test, and say how well it went."""
    index = int(os.environ["IRIS_TASK_INDEX"])
    c, gamma = SETTINGS[index]
    images, labels = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=0.5, random_state=0
    )
    accuracy = SVC(C=c, gamma=gamma).fit(train_x, train_y).score(test_x, test_y)
    print(json.dumps({"task": index, "C": c, "gamma": gamma, "accuracy": accuracy}))


if __name__ == "__main__":
    main()

"""BRISQUE of image files, in an environment of its own: the PyPI package brisque needs numpy < 2.

    python -m venv brisque && brisque/bin/pip install 'numpy<2' opencv-python-headless brisque
    brisque/bin/python benchmarks/brisque_scores.py < paths.txt > scores.txt

A line for each path: its score (lower is better), or what failed.
"""

import sys

import cv2
from brisque import BRISQUE


def main() -> None:
    method = BRISQUE(url=False)
    for line in sys.stdin:
        image = cv2.imread(line.rstrip("\n"), cv2.IMREAD_COLOR)
        try:
            print(float(method.score(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))), flush=True)
        except Exception as cause:  # flat images divide by zero in it
            print(f"failed: {type(cause).__name__}", flush=True)


if __name__ == "__main__":
    main()

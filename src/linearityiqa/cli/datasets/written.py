"""What the commands that write a label file say about it."""

from pathlib import Path


def where_images(image_dir: Path | None) -> str:
    """How the images of a written CSV file are found, a sentence."""
    if image_dir is None:
        return "Use it as --dataset FILE; its images are found by themselves."
    return f"Use it as --dataset FILE --image_dir {image_dir}."

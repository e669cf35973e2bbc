"""What the commands that write a label file say about it."""

from linearityiqa.data.databases.labelfile import ImageNames


def where_images(names: ImageNames) -> str:
    """How the images of a written CSV file are found, a sentence."""
    if not names.found:
        return "Its images are not here: name their folder with --image_dir when you use it."
    if names.image_dir is None:
        return "Use it as --dataset FILE; its images are found by themselves."
    return f"Use it as --dataset FILE --image_dir {names.image_dir}."


def image_dir_of(names: ImageNames) -> str | None:
    """The folder to be given with the file, as JSON has it."""
    return None if names.image_dir is None else str(names.image_dir)

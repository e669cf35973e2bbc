"""The built-in synthetic database (`make`), and the degraded versions of images that training makes."""

"""What pages of lines have in common: images that need no other file, and symbols that can be seen."""

import base64
import io

from PIL import Image


def png_uri(image: Image.Image) -> str:
    """The image as a data URI, for HTML and SVG."""
    stream = io.BytesIO()
    image.save(stream, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def visible(symbol: str) -> str:
    """A symbol, a space as ␣."""
    return "␣" if symbol.isspace() else symbol

"""What a file is, by how it begins: plain text in UTF-8, gzipped, or something that is no text yet."""

from typing import Final

GZIP: Final = b"\x1f\x8b"
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"  # of UTF-8

# How other compressed files begin, and what writes their content to a pipe
_UNPACKERS: Final = {GZIP: "zcat", b"\xfd7zXZ\x00": "xzcat", b"\x28\xb5\x2f\xfd": "zstdcat"}
_BZIP2_BLOCK: Final = b"1AY&SY"  # behind BZh and a digit, with which a text may begin
_OTHER_ENCODINGS: Final = {  # the longer before those they begin with
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def unpacker(begin: bytes) -> str | None:
    """The program that unpacks a file whose first ten bytes these are; None where it is not compressed."""
    if begin[:3] == b"BZh" and begin[4:10] == _BZIP2_BLOCK:
        return "bzcat"
    return next((tool for magic, tool in _UNPACKERS.items() if begin.startswith(magic)), None)


def no_text(begin: bytes, *, then: str = "> TEXT") -> str | None:
    """What begins like this, gunzipped where need be, and what to do; None where it may be UTF-8, as none of these is.

    `then` is where unpacked text goes.

    >>> no_text("ein".encode("utf-16-le")), no_text(b"\\xff\\xfee\\0")
    (None, 'UTF-16, not UTF-8; convert it first (iconv -f UTF-16 -t UTF-8 FILE)')
    """
    if tool := unpacker(begin):
        return f"compressed; unpack it first ({tool} FILE {then}), as only gzip is read as it is"
    for mark, encoding in _OTHER_ENCODINGS.items():
        if begin.startswith(mark):
            return f"{encoding}, not UTF-8; convert it first (iconv -f {encoding} -t UTF-8 FILE)"
    return None

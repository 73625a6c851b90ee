"""Enough CBOR to read the answer of an authorization server and to write its requests (RFC 8949)."""


def encode(value) -> bytes:
    match value:
        case None:
            return b"\xf6"
        case int():
            return head(0, value) if value >= 0 else head(1, -1 - value)
        case bytes():
            return head(2, len(value)) + value
        case str():
            return head(3, len(value.encode())) + value.encode()
        case list():
            return head(4, len(value)) + b"".join(map(encode, value))
        case dict():
            return head(5, len(value)) + b"".join(encode(key) + encode(item) for key, item in value.items())
    raise TypeError(f"{value!r}")


def head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    size = next(size for size in (1, 2, 4, 8) if number < 1 << 8 * size)
    return bytes([major << 5 | 24 + size.bit_length() - 1]) + number.to_bytes(size, "big")


def decode(data: bytes):
    """The one item that `data` is."""
    value, rest = item(data)
    if rest:
        raise ValueError(f"{len(rest)} bytes behind the item")
    return value


def item(data: bytes):
    major, number, data = data[0] >> 5, data[0] & 31, data[1:]
    if 24 <= number < 28:
        size = 1 << number - 24
        number, data = int.from_bytes(data[:size], "big"), data[size:]
    if major in (0, 1):
        return number if major == 0 else -1 - number, data
    if major in (2, 3):
        value, rest = data[:number], data[number:]
        return value if major == 2 else value.decode(), rest
    if major in (4, 5):
        values = []
        for _ in range(number * (major - 3)):
            value, data = item(data)
            values.append(value)
        return (values if major == 4 else dict(zip(values[::2], values[1::2]))), data
    if major == 7 and number in (20, 21, 22):
        return {20: False, 21: True, 22: None}[number], data
    raise ValueError(f"major type {major}, {number}")

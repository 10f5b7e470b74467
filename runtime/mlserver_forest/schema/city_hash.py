"""CityHash64, version 1, of which CatBoost keeps the low 32 bits of a category's text.

Google's algorithm, by Geoff Pike and Jyrki Alakuijala (Copyright (c) 2011 Google, Inc., MIT
License), written in Python after CatBoost's copy of it (util/digest/city.cpp). The combination of
two numbers is ``Hash128to64`` of util/digest/city.h, and ``CalcCatFeatureHash`` of
catboost/libs/cat_feature/cat_feature.cpp keeps 32 bits. Version 1 differs from later ones.
"""

import struct
from functools import lru_cache

_BITS = (1 << 64) - 1
_K0 = 0xC3A5C85C97CB3127
_K1 = 0xB492B66FBE98F273
_K2 = 0x9AE16A3B2F90404F
_K3 = 0xC949D7C7509E6557
_MIXER = 0x9DDFEA08EB382D69
_REMEMBERED = 1 << 16
_LONGEST_REMEMBERED = 64


def hash_text(text: str) -> int:
    """The low 32 bits of the hash of a text in UTF-8."""
    if len(text) <= _LONGEST_REMEMBERED:
        return _remembered(text)
    return city_hash64(_utf8(text)) & 0xFFFF_FFFF


@lru_cache(_REMEMBERED)
def _remembered(text: str) -> int:
    return city_hash64(_utf8(text)) & 0xFFFF_FFFF


def _utf8(text: str) -> bytes:
    # JSON may hold half of a surrogate pair, which UTF-8 does not have.
    return text.encode("utf-8", "surrogatepass")


def city_hash64(content: bytes) -> int:
    """The hash of bytes, from 0 to 2**64 - 1."""
    n = len(content)
    if n <= 16:
        return _up_to_16(content, n)
    if n <= 32:
        return _up_to_32(content, n)
    return _up_to_64(content, n) if n <= 64 else _longer(content, n)


def _up_to_16(s: bytes, n: int) -> int:
    if n > 8:
        a, b = _u64(s, 0), _u64(s, n - 8)
        return _mix(a, _rotate((b + n) & _BITS, n)) ^ b
    if n >= 4:
        return _mix(n + (_u32(s, 0) << 3), _u32(s, n - 4))
    if n > 0:
        y = s[0] + (s[n >> 1] << 8)
        z = n + (s[n - 1] << 2)
        return _shift_mix((y * _K2 ^ z * _K3) & _BITS) * _K2 & _BITS
    return _K2


def _up_to_32(s: bytes, n: int) -> int:
    a, b = _u64(s, 0) * _K1 & _BITS, _u64(s, 8)
    c, d = _u64(s, n - 8) * _K2 & _BITS, _u64(s, n - 16) * _K0 & _BITS
    return _mix(
        (_rotate((a - b) & _BITS, 43) + _rotate(c, 30) + d) & _BITS,
        (a + _rotate(b ^ _K3, 20) - c + n) & _BITS,
    )


def _up_to_64(s: bytes, n: int) -> int:
    z = _u64(s, 24)
    a = (_u64(s, 0) + (n + _u64(s, n - 16)) * _K0) & _BITS
    first, second = _half(a, z, _u64(s, 8), _u64(s, 16))
    a, z = (_u64(s, 16) + _u64(s, n - 32)) & _BITS, _u64(s, n - 8)
    third, fourth = _half(a, z, _u64(s, n - 24), _u64(s, n - 16))
    r = _shift_mix(((first + fourth) * _K2 + (third + second) * _K0) & _BITS)
    return _shift_mix((r * _K0 + second) & _BITS) * _K2 & _BITS


def _half(a: int, z: int, one: int, two: int) -> tuple[int, int]:
    b, c = _rotate((a + z) & _BITS, 52), _rotate(a, 37)
    a = (a + one) & _BITS
    c = (c + _rotate(a, 7)) & _BITS
    a = (a + two) & _BITS
    return (a + z) & _BITS, (b + _rotate(a, 31) + c) & _BITS


def _longer(s: bytes, n: int) -> int:
    x, y, z = _u64(s, 0), _u64(s, n - 16) ^ _K1, _u64(s, n - 56) ^ _K0
    v = _weak(s, n - 64, n, y)
    w = _weak(s, n - 32, n * _K1 & _BITS, _K0)
    z = (z + _shift_mix(v[1]) * _K1) & _BITS
    x = _rotate((z + x) & _BITS, 39) * _K1 & _BITS
    y = _rotate(y, 33) * _K1 & _BITS
    for at in range(0, (n - 1) & ~63, 64):
        x = _rotate((x + y + v[0] + _u64(s, at + 16)) & _BITS, 37) * _K1 & _BITS
        y = _rotate((y + v[1] + _u64(s, at + 48)) & _BITS, 42) * _K1 & _BITS
        x ^= w[1]
        y ^= v[0]
        z = _rotate(z ^ w[0], 33)
        v = _weak(s, at, v[1] * _K1 & _BITS, (x + w[0]) & _BITS)
        w = _weak(s, at + 32, (z + w[1]) & _BITS, y)
        z, x = x, z
    return _mix(
        (_mix(v[0], w[0]) + _shift_mix(y) * _K1 + z) & _BITS, (_mix(v[1], w[1]) + x) & _BITS
    )


def _weak(s: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    """``WeakHashLen32WithSeeds`` of the 32 bytes from ``at`` on."""
    w, x, y, z = struct.unpack_from("<4Q", s, at)
    a = (a + w) & _BITS
    b = _rotate((b + a + z) & _BITS, 21)
    c = a
    a = (a + x + y) & _BITS
    b = (b + _rotate(a, 44)) & _BITS
    return (a + z) & _BITS, (b + c) & _BITS


def _mix(low: int, high: int) -> int:
    """``Hash128to64``."""
    a = (low ^ high) * _MIXER & _BITS
    a ^= a >> 47
    b = (high ^ a) * _MIXER & _BITS
    b ^= b >> 47
    return b * _MIXER & _BITS


def _shift_mix(value: int) -> int:
    return value ^ (value >> 47)


def _rotate(value: int, shift: int) -> int:
    return ((value >> shift) | (value << (64 - shift))) & _BITS if shift else value


def _u64(s: bytes, at: int) -> int:
    return int.from_bytes(s[at : at + 8], "little")


def _u32(s: bytes, at: int) -> int:
    return int.from_bytes(s[at : at + 4], "little")

# SPDX-License-Identifier: ISC
"""TLS records that bring no data, any number of them, of a connection that
Python has made: no TLS library sends them by itself."""

# pylint: disable=protected-access

import contextlib
import ctypes
import hmac
import ssl
import struct

import _ssl
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

# With what it is linked to.
OPENSSL = ctypes.CDLL(_ssl.__file__)
for name in ("BIO_s_mem", "BIO_new", "SSL_get_session"):
    getattr(OPENSSL, name).restype = ctypes.c_void_p
SSL_POINTER = 24   # in CPython's object: behind its head and its socket
CLIENT_HELLO = 1


def _openssl(sock):
    """The SSL * of an ssl.SSLSocket."""
    at = id(sock._sslobj) + SSL_POINTER
    return ctypes.c_void_p.from_address(at)


def key_updates(sock, count, data=b""):
    """TLS 1.3: so many KeyUpdate records that want no answer, and one with
    `data` behind them."""
    assert sock.version() == "TLSv1.3"
    connection = _openssl(sock)
    memory = ctypes.c_void_p(OPENSSL.BIO_new(
        ctypes.c_void_p(OPENSSL.BIO_s_mem())))
    OPENSSL.SSL_set0_wbio(connection, memory)
    for _ in range(count):
        assert OPENSSL.SSL_key_update(connection, 0) == 1
        assert OPENSSL.SSL_do_handshake(connection) == 1
    if data:
        assert OPENSSL.SSL_write(connection, data, len(data)) == len(data)
    size = OPENSSL.BIO_ctrl_pending(memory)
    records = ctypes.create_string_buffer(size)
    assert OPENSSL.BIO_read(memory, records, size) == size
    return records.raw


def _prf(secret, label, seed, size):
    """RFC 5246 5."""
    part, out = label + seed, b""
    while len(out) < size:
        part = hmac.digest(secret, part, "sha256")
        out += hmac.digest(secret, part + label + seed, "sha256")
    return out[:size]


def _fetch(function, what, size):
    buffer = ctypes.create_string_buffer(size)
    getattr(OPENSSL, function)(what, buffer, ctypes.c_size_t(size))
    return buffer.raw


def client_hellos(sock, count, sent):
    """TLS 1.2: so many ClientHellos within a connection of
    ECDHE-ECDSA-AES128-GCM-SHA256 on which `sent` records have been sent
    already, the Finished included."""
    assert sock.version() == "TLSv1.2"
    connection = _openssl(sock)
    session = ctypes.c_void_p(OPENSSL.SSL_get_session(connection))
    keys = _prf(_fetch("SSL_SESSION_get_master_key", session, 48),
                b"key expansion",
                _fetch("SSL_get_server_random", connection, 32) +
                _fetch("SSL_get_client_random", connection, 32), 40)
    cipher, salt = AESGCM(keys[:16]), keys[32:36]
    hello = struct.pack("!BBH", CLIENT_HELLO, 0, 0)
    records = []
    for number in range(sent, sent + count):
        nonce = struct.pack("!Q", number)
        head = struct.pack("!BH", 22, 0x303)
        body = nonce + cipher.encrypt(
            salt + nonce, hello, nonce + head + struct.pack("!H", len(hello)))
        records.append(head + struct.pack("!H", len(body)) + body)
    return b"".join(records)


def send(line, records):
    """As they are, until the other end has enough of it."""
    sock = line.sock
    if isinstance(sock, ssl.SSLSocket):
        sock = super(ssl.SSLSocket, sock)
    with contextlib.suppress(OSError):
        sock.sendall(records)

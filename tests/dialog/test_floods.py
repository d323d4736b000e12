# SPDX-License-Identifier: ISC
"""Peers that send TLS records for ever which bring nothing: the session ends,
and others are served meanwhile."""

import ssl

import pytest

import flooding
from scripted_customer import Customer

RECORDS = 5000
FLOOD = "too many TLS records without data"


def connect(daemon, version, ciphers="DEFAULT"):
    line = daemon.connect(port=daemon.tls_port)
    context = ssl.create_default_context(cafile=daemon.ca)
    context.minimum_version = context.maximum_version = version
    context.set_ciphers(ciphers)
    line.sock = context.wrap_socket(line.sock, server_hostname="127.0.0.1")
    return line


@pytest.mark.parametrize("stage, end", [
    ("greeted", ": ended"), ("known", ": ended"), ("turned", "line lost")])
def test_flood_of_key_updates_ends_the_session(daemon, stage, end):
    daemon.tag("Q1", "example.org")
    line = getattr(daemon, stage)(tls=True)
    flooding.send(line, flooding.key_updates(line.sock, RECORDS))
    assert daemon.greeted()
    daemon.wait_for_log(end, FLOOD)


def test_flood_of_client_hellos_ends_the_session(daemon):
    line = connect(daemon, ssl.TLSVersion.TLSv1_2,
                   "ECDHE-ECDSA-AES128-GCM-SHA256")
    flooding.send(line, flooding.client_hellos(line.sock, RECORDS, 1))
    assert daemon.greeted()
    daemon.wait_for_log(": ended", FLOOD)


def test_handshake_in_endless_pieces_ends_the_session(daemon):
    line = daemon.connect(port=daemon.tls_port)
    flooding.send(line, b"\x16\x03\x01\0\4\1\0\xff\xff" +
                  b"\x16\x03\x01\0\1\0" * RECORDS)
    assert daemon.greeted()
    daemon.wait_for_log(": ended", "tls-failed", FLOOD)


class FloodingCustomer(Customer):
    """Its server offers STARTTLS; records(line) is what comes then."""

    def __init__(self, line, records):
        self.records = records
        super().__init__(line, "pipelining", offers=["STARTTLS"])

    def _command(self, text):
        if text != "STARTTLS":
            return super()._command(text)
        self.line.say("220 go")
        flooding.send(self.line, self.records(self.line))
        return False


def hello_requests(line):
    line.fill()  # its ClientHello: now odmrd expects TLS
    line.buffer = b""
    return b"\x16\x03\x03\0\4\0\0\0\0" * RECORDS


def test_customers_server_cannot_make_the_handshake_endless(daemon):
    daemon.tag("Q1", "example.org")
    FloodingCustomer(daemon.turned(), hello_requests)
    daemon.wait_for_log("line lost", FLOOD)
    assert daemon.greeted()


def test_customers_server_cannot_flood_with_key_updates(daemon):
    def records(line):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(daemon.dir / "server.pem",
                                daemon.dir / "server.key")
        line.sock = context.wrap_socket(line.sock, server_side=True)
        return flooding.key_updates(line.sock, RECORDS)
    # Not alice's, whose TLS has failed before.
    daemon.tag("Q1", "shared.test")
    FloodingCustomer(daemon.turned("shared.test", "bob"), records)
    daemon.wait_for_log("line lost", FLOOD)
    assert daemon.greeted()


def test_key_updates_now_and_then_do_no_harm(daemon):
    """Each brings a line, so none is too many."""
    line = daemon.greeted(tls=True)
    for _ in range(50):
        flooding.send(line, flooding.key_updates(line.sock, 20, b"NOOP\r\n"))
        line.expect("250 2.0.0 Ok")

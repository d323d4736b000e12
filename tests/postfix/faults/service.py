# SPDX-License-Identifier: ISC
"""Faults of odmrd: its certificate and its ports."""

import socket
from datetime import datetime, timedelta, timezone


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def day(days):
    return (datetime.now(timezone.utc) + timedelta(days)).strftime("%Y%m%d")


def other_key(p):
    key = p.etc / "server.key"
    key.write_text(p.original.joinpath("etc/odmr/ca.key").read_text())


def certificate(**options):
    return lambda p: p.certificate(**options)


FAULTS = [
    ("no_tls", "no-tls", lambda p: (p.odmr_conf("tls_cert_file", ""),
                                    p.odmr_conf("tls_key_file", ""))),
    ("plaintext", "plaintext-auth",
     lambda p: p.odmr_conf("allow_plaintext_auth", "yes")),
    ("no_certificate", "certificate-unreadable",
     lambda p: (p.etc / "server.pem").unlink()),
    ("expired", "certificate-expired certificate-stale",
     certificate(end=day(-1))),
    ("not_yet", "certificate-expired certificate-stale",
     certificate(start=day(2))),
    ("expiring", "certificate-expiring certificate-stale",
     certificate(end=day(13))),
    ("other_name", "certificate-name certificate-stale",
     certificate(name="other.example")),
    ("no_issuer", "certificate-chain certificate-stale",
     certificate(extensions="authorityInfoAccess = "
                 "caIssuers;URI:http://ca.example/ca.der")),
    ("stale", "certificate-stale", certificate()),
    ("other_key", "key-mismatch", other_key),
    ("listen", "listen-bad", lambda p: p.odmr_conf("listen", "366")),
    ("odmrd", "odmrd-down",
     lambda p: p.odmr_conf("listen", f"127.0.0.1:{free_port()}")),
    ("control_socket", "control-silent",
     lambda p: p.odmr_conf("control_socket", p.directory / "none")),
    ("postfix_on_port", "port-taken",
     lambda p: p.odmr_conf("listen", f"127.0.0.1:{p.sandbox.port}")),
    ("clear_on_tls_port", "port-taken",
     lambda p: p.odmr_conf("listen_tls", f"127.0.0.1:{p.sandbox.odmr_port}")),
]

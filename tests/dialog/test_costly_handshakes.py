# SPDX-License-Identifier: ISC
"""Handshakes that cost much. Nobody looks at the certificates behind the first
one, and there cannot be many; and there is no Diffie-Hellman with large
primes."""

import datetime
import math
import os
import random
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


from scripted_customer import Customer

HANDSHAKES = 10


def costly_key():
    """RSA with a public exponent as long as the modulus: to check one of its
    signatures takes as long as to make it without a shortcut."""
    numbers = rsa.generate_private_key(65537, 3072).private_numbers()
    n, order = numbers.public_numbers.n, (numbers.p - 1) * (numbers.q - 1)
    exponent = 0
    while math.gcd(exponent, order) != 1:
        exponent = random.getrandbits(3070) | 1 << 3069 | 1
    d = pow(exponent, -1, order)
    return rsa.RSAPrivateNumbers(
        numbers.p, numbers.q, d, rsa.rsa_crt_dmp1(d, numbers.p),
        rsa.rsa_crt_dmq1(d, numbers.q), numbers.iqmp,
        rsa.RSAPublicNumbers(exponent, n)).private_key()


def certificate(subject, issuer, public_key, signer):
    def name(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    now = datetime.datetime(2020, 1, 1)
    return x509.CertificateBuilder().subject_name(name(subject)).issuer_name(
        name(issuer)).public_key(public_key).serial_number(
            x509.random_serial_number()).not_valid_before(
                now).not_valid_after(
                    now + datetime.timedelta(days=36500)).add_extension(
                        x509.BasicConstraints(True, None), True).sign(
                            signer, hashes.SHA256())


@pytest.fixture(scope="module")
def chains(tmp_path_factory):
    """Files with a key and so many certificates: what a client shows."""
    directory = tmp_path_factory.mktemp("chains")
    key, own = costly_key(), ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    links = [certificate(f"c{at}", f"c{at + 1}",
                         key.public_key() if at else own.public_key(), key)
             for at in range(40)]
    made = {}
    for count in (1, 12, 40):
        made[count] = directory / f"{count}.pem"
        made[count].write_bytes(b"".join(
            [own.private_bytes(pem, serialization.PrivateFormat.PKCS8,
                               serialization.NoEncryption()),
             *(link.public_bytes(pem) for link in links[:count])]))
    return made


def connect(daemon, chain):
    context = ssl.create_default_context(cafile=daemon.ca)
    context.load_cert_chain(chain)
    plain = socket.create_connection(("127.0.0.1", daemon.tls_port), 30)
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def seconds_of(daemon, chain):
    """What the daemon's processor spends for HANDSHAKES with it."""
    def spent():
        stat = Path(f"/proc/{daemon.process.pid}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    before = spent()
    for _ in range(HANDSHAKES):
        with connect(daemon, chain) as line:
            assert line.recv(100).startswith(b"220 ")
    return spent() - before


def test_chain_of_a_stranger_is_not_worked_at(daemon, chains):
    seconds_of(daemon, chains[1])
    short, long = (seconds_of(daemon, chains[count]) for count in (1, 12))
    assert long < short + 0.03 * HANDSHAKES


def test_no_more_certificates_are_taken_than_anybody_has(daemon, chains):
    with pytest.raises(OSError):
        connect(daemon, chains[40]).recv(100)
    daemon.wait_for_log("tls-failed", "excessive message size")
    assert daemon.greeted()


class CostlyServer(Customer):
    """A customer's server, which shows such a chain after STARTTLS."""

    def __init__(self, line, chain):
        self.chain = chain
        super().__init__(line, "pipelining", offers=["STARTTLS"])

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain)
        return context

    def _command(self, text):
        if text != "STARTTLS":
            return super()._command(text)
        self.line.say("220 go")
        context = self.context()
        with pytest.raises(OSError):
            context.wrap_socket(self.line.sock, server_side=True).recv(100)
        return False


def test_nor_of_a_customers_server(daemon, chains):
    daemon.tag("Q1", "example.org")
    CostlyServer(daemon.turned(), chains[40])
    daemon.wait_for_log("line lost", "excessive message size")
    assert daemon.greeted()


def groups(daemon, names):
    """Is a client served that has these alone?"""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{daemon.tls_port}",
         "-groups", names], stdin=subprocess.DEVNULL, timeout=60, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return "Server Temp Key" in done.stdout


def test_group_of_large_primes_is_not_taken(daemon):
    for name in "X25519", "X448", "P-256", "P-384", "P-521":
        assert groups(daemon, name), name
    for name in "ffdhe2048", "ffdhe8192":
        assert not groups(daemon, name), name
    assert daemon.greeted()


class PrimeServer(CostlyServer):
    """One that knows nothing else."""

    def context(self):
        context = super().context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("kDHE")
        context.load_dh_params(self.chain.with_name("primes.pem"))
        return context


def test_nor_from_a_customers_server(daemon, tmp_path):
    path = tmp_path / "rsa.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
         "/CN=x", "-keyout", path, "-out", tmp_path / "cert.pem"], check=True,
        timeout=60, stderr=subprocess.DEVNULL)
    subprocess.run(["openssl", "genpkey", "-genparam", "-algorithm", "DH",
                    "-pkeyopt", "group:ffdhe8192", "-out",
                    tmp_path / "primes.pem"], check=True, timeout=60)
    path.write_bytes(path.read_bytes() + (tmp_path / "cert.pem").read_bytes())
    daemon.tag("Q1", "shared.test")
    PrimeServer(daemon.turned("shared.test", "bob"), path)
    daemon.wait_for_log("line lost", "handshake failure")
    assert daemon.greeted()

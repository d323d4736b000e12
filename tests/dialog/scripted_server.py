# SPDX-License-Identifier: ISC
"""A mail server that plays scripts for one who asks it by ETRN, and the
certificates that it shows."""

import base64
import hashlib
import hmac
import os
import socket
import ssl
import subprocess
import threading

from odmr.sandbox import BUILD, FAULT, temporary_directory
from odmrd_alone import PASSWORD, run
from scripted_line import Line, LineClosed

TIMEOUT = 30

GREETED = """
    P: 220 provider.test ESMTP
    C: EHLO customer.test
    P: 250 provider.test
"""
QUIT = """
    C: QUIT
    P: 221 Bye
"""


def hello(*offers):
    """The dialogue up to an EHLO that offers this."""
    rows = ["provider.test", *offers]
    return "\n".join(["P: 220 provider.test", "C: EHLO customer.test"] + [
        f"P: 250{'-' if row != rows[-1] else ' '}{row}" for row in rows])


def make_certificates(directory):
    """ca.pem, and what it signed: good.pem for 127.0.0.1 and localhost, and
    other.pem for another host; each with its key."""
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
        "/CN=test CA", "-keyout", directory / "ca.key", "-out",
        directory / "ca.pem")
    names = {"good": "IP:127.0.0.1,DNS:localhost", "other": "DNS:other.test"}
    for number, (name, alternatives) in enumerate(names.items()):
        key, request = directory / f"{name}.key", directory / f"{name}.csr"
        extensions = directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternatives}\n")
        run("openssl", "req", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
            "/CN=provider", "-keyout", key, "-out", request)
        run("openssl", "x509", "-req", "-in", request, "-days", "2", "-CA",
            directory / "ca.pem", "-CAkey", directory / "ca.key",
            "-set_serial", number + 2, "-extfile", extensions, "-out",
            directory / f"{name}.pem")


class Peer(Line):
    """The server's end of a connection: it is the one that says "P:"."""

    def __init__(self, sock, transcript, certificates):
        super().__init__(sock, transcript, us="P", them="C")
        self.certificates = certificates

    def play(self, script):
        rows = (row for row in script.splitlines() if row.strip())
        super().play("\n".join(rows))

    def encrypt(self, certificate="good"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        path = self.certificates / certificate
        context.load_cert_chain(f"{path}.pem", f"{path}.key")
        self.transcript.append("-: TLS handshake")
        self.sock = context.wrap_socket(self.sock, server_side=True)

    def starts_tls(self, *offers, certificate="good"):
        """From the greeting to the offers of the EHLO under TLS."""
        self.play(hello("STARTTLS", *offers))
        self.play("C: STARTTLS\nP: 220 Go ahead")
        self.encrypt(certificate)
        self.play("\n".join(hello(*offers).splitlines()[1:]))

    def until_closed(self):
        """All the lines that still come, QUIT at most."""
        lines = []
        try:
            while "QUIT" not in lines:
                lines.append(self.line())
        except LineClosed:
            pass
        return lines


class Server:
    """Plays one dialogue (a script, or a function of the Peer) for each of
    the connections that come, in their order."""

    def __init__(self, certificates, transcript, *dialogues):
        self.certificates = certificates
        self.transcript = transcript
        self.dialogues = dialogues
        self.failure = None
        self.played = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(TIMEOUT)
        self.port = self.listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        try:
            for dialogue in self.dialogues:
                sock, _ = self.listener.accept()
                peer = Peer(sock, self.transcript, self.certificates)
                try:
                    if isinstance(dialogue, str):
                        peer.play(dialogue)
                    else:
                        dialogue(peer)
                finally:
                    peer.hang_up()
                self.played += 1
        except BaseException as error:  # whatever it is, the test shall fail
            self.failure = error

    def close(self):
        """All dialogues were played to their ends."""
        self.thread.join(TIMEOUT)
        assert not self.thread.is_alive(), "a dialogue has no end"
        self.listener.close()
        if self.failure:
            raise self.failure

    def connections(self):
        """Of those that nobody expected."""
        self.listener.settimeout(0)
        try:
            self.listener.accept()[0].close()
            return True
        except BlockingIOError:
            return False


class Client:
    """etrn-trigger --remote, as a customer has it."""

    def __init__(self, certificates, transcript):
        self.directory = temporary_directory()
        self.transcript = transcript
        self.environment = dict(
            os.environ, SSL_CERT_FILE=str(certificates / "ca.pem"))
        self.conf = self.directory / "odmr.conf"
        self.conf.write_text("myhostname = customer.test\n")
        self.password_file = self.directory / "password"
        self.write_password(PASSWORD + "\n")

    def write_password(self, text, mode=0o600):
        self.password_file.write_text(text)
        self.password_file.chmod(mode)

    def login(self, name="alice"):
        return ["--login", name, "--password-file", str(self.password_file)]

    def command(self, host, *arguments):
        return [str(BUILD / "etrn-trigger"), "-c", str(self.conf), "--remote",
                host, *map(str, arguments)]

    def run(self, host, *arguments):
        """The exit status, standard output, and standard error."""
        done = subprocess.run(
            self.command(host, *arguments), env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        return self.finished(done.returncode, done.stdout, done.stderr)

    def finished(self, status, out, err):
        self.transcript.append(f"exit status {status}\n{out}{err}")
        assert not FAULT.search(err), err
        assert PASSWORD not in out + err
        return status, out, err


def scram_server(peer, first, password=PASSWORD, claim=None, iterations=4096):
    """The server's side of SCRAM-SHA-256, from the client's first message on
    (without the GS2 header), up to what it says last. `claim` stands in for
    its own proof."""
    nonce = dict(f.split("=", 1) for f in first.split(","))["r"]
    salt = b"saltsaltsaltsalt"
    text = (f"r={nonce}more,s={base64.b64encode(salt).decode()},"
            f"i={iterations}")
    peer.say("334 " + base64.b64encode(text.encode()).decode())
    final = base64.b64decode(peer.line()).decode()
    key = hmac.new(hashlib.pbkdf2_hmac(
        "sha256", password.encode(), salt, iterations), b"Server Key",
        hashlib.sha256).digest()
    message = ",".join([first, text, final.rsplit(",p=", 1)[0]])
    proof = hmac.new(key, message.encode(), hashlib.sha256).digest()
    peer.say("334 " + base64.b64encode(
        b"v=" + base64.b64encode(claim or proof)).decode())

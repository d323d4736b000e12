# SPDX-License-Identifier: ISC
"""The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), step by step, so
that a test can do each of them wrong."""

import base64
import hashlib
import hmac
import os

from odmrd_alone import PASSWORD, b64


def sha256_hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def salted(password, salt, iterations):
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)


def verifier(password, iterations):
    """What odmrctl stores, with any number of iterations (RFC 5803)."""
    salt = os.urandom(16)
    key = salted(password, salt, iterations)
    stored = hashlib.sha256(sha256_hmac(key, "Client Key")).digest()
    return (f"SCRAM-SHA-256${iterations}:{b64(salt)}$"
            f"{b64(stored)}:{b64(sha256_hmac(key, 'Server Key'))}")


def decoded(challenge):
    """The fields of a line "334 <base64>", by their letter."""
    assert challenge.startswith("334 "), challenge
    text = base64.b64decode(challenge[4:]).decode()
    return text, dict(field.split("=", 1) for field in text.split(","))


class Scram:
    """One exchange. `flag` is the gs2-cbind-flag, `binding` the bytes that go
    with "p=...", `act_as` an authorization identity."""

    def __init__(self, login, password=PASSWORD, flag="n", binding=b"",
                 act_as=""):
        self.password = password
        self.header = f"{flag},{'a=' + act_as if act_as else ''},"
        self.binding = binding
        self.bare = f"n={login},r={b64(os.urandom(18))}"

    def first(self):
        return b64(self.header + self.bare)

    def final(self, challenge, proof=None):
        self.server_first, fields = decoded(challenge)
        self.salt = base64.b64decode(fields["s"])
        self.iterations = int(fields["i"])
        bound = b64(self.header.encode() + self.binding)
        without_proof = f"c={bound},r={fields['r']}"
        self.message = ",".join([self.bare, self.server_first, without_proof])
        self.key = salted(self.password, self.salt, self.iterations)
        client_key = sha256_hmac(self.key, "Client Key")
        signature = sha256_hmac(
            hashlib.sha256(client_key).digest(), self.message)
        if proof is None:
            proof = bytes(a ^ b for a, b in zip(client_key, signature))
        return b64(f"{without_proof},p={b64(proof)}")

    def check(self, challenge):
        """The server, too, has to show that it knows the account."""
        _, fields = decoded(challenge)
        key = sha256_hmac(self.key, "Server Key")
        assert base64.b64decode(fields["v"]) == sha256_hmac(key, self.message)

    def log_in(self, line, mechanism="SCRAM-SHA-256"):
        """All of it; returns what the server says in the end."""
        line.say(f"AUTH {mechanism} {self.first()}")
        challenge = line.line()
        if not challenge.startswith("334 "):
            return challenge
        line.say(self.final(challenge))
        answer = line.line()
        if not answer.startswith("334 "):
            return answer
        self.check(answer)
        line.say("")
        return line.line()

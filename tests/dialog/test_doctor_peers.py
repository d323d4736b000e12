# SPDX-License-Identifier: ISC
"""odmrctl doctor asks who answers on odmrd's ports. That may be anybody."""

import contextlib
import getpass
import json
import socket
import ssl
import subprocess
import threading

import pytest

import flooding
from odmr.sandbox import BUILD, no_postfix
from odmrd_alone import run

NOT_GREETED = "connects, but does not greet"


@pytest.fixture
def consult(tmp_path):
    """A function: consult(setting, talk) -> what doctor finds of the one who
    answers at this setting's port, talk(its socket)."""
    conf = tmp_path / "odmr.conf"
    (tmp_path / "postconf").write_text("#!/bin/sh\n")
    (tmp_path / "postconf").chmod(0o755)
    listener = socket.create_server(("127.0.0.1", 0))

    def begin(setting, talk):
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        settings = {"listen": "", "listen_tls": "", setting: address}
        conf.write_text(f"""\
database = {tmp_path}/odmr.db
domain_table = lmdb:{tmp_path}/domains
etrn_table = lmdb:{tmp_path}/etrn_names
postqueue_path = {tmp_path}/none
postconf_path = {tmp_path}/postconf
postfix_config_directory = {tmp_path}/postfix
socket_directory = {tmp_path}
milter_socket = unix:{tmp_path}/milter
user = {getpass.getuser()}
postfix_user = {getpass.getuser()}
""" + "".join(f"{name} = {value}\n" for name, value in settings.items()))
        no_postfix(tmp_path / "postfix")
        run(BUILD / "odmrctl", "-c", conf, "init")

        def serve():
            with listener.accept()[0] as sock, contextlib.suppress(OSError):
                talk(sock)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        done = subprocess.run(
            [BUILD / "odmrctl", "-c", conf, "doctor", "--json"], timeout=60,
            stdout=subprocess.PIPE, text=True, check=False)
        thread.join(20)
        assert not thread.is_alive(), "it still listens"
        return [found["what"] for found in json.loads(done.stdout)["findings"]
                if address in found["where"]]
    yield begin
    listener.close()


def test_line_without_end_does_not_keep_doctor(consult):
    def talk(sock):
        while True:
            sock.sendall(b"2" * 65536)
    assert consult("listen", talk) == [NOT_GREETED]


def test_tls_records_without_end_do_not_keep_doctor(consult, template):
    def talk(sock):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(template / "server.pem",
                                template / "server.key")
        with context.wrap_socket(sock, server_side=True) as secure:
            while True:
                records = flooding.key_updates(secure, 2000)
                super(ssl.SSLSocket, secure).sendall(records)
    assert consult("listen_tls", talk) == [NOT_GREETED]

# SPDX-License-Identifier: ISC
"""SIGHUP: configuration and certificate are read anew, sessions stay."""

import shutil
import signal
import ssl
import subprocess

from odmrd_alone import write_conf
from scripted_customer import Customer


def hang_up(daemon):
    daemon.process.send_signal(signal.SIGHUP)


def rewrite(daemon, **settings):
    write_conf(daemon.dir, daemon.port, daemon.tls_port, **settings)


def serial(daemon):
    pem = ssl.get_server_certificate(("127.0.0.1", daemon.tls_port))
    return subprocess.run(["openssl", "x509", "-noout", "-serial"], input=pem,
                          text=True, check=True,
                          stdout=subprocess.PIPE).stdout


def make_certificate(daemon, days=2):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
         "/CN=relay.test", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", daemon.dir / "server.key", "-out",
         daemon.dir / "server.pem"], check=True, capture_output=True)
    if days < 0:
        subprocess.run(
            ["openssl", "x509", "-in", daemon.dir / "server.pem", "-signkey",
             daemon.dir / "server.key", "-days", str(days), "-out",
             daemon.dir / "server.pem"], check=True, capture_output=True)


def test_new_settings_count_and_sessions_stay(make_daemon):
    daemon = make_daemon()
    daemon.tag("Q1", "example.org")
    waiting = daemon.known("bob")
    customer = Customer(daemon.turned())
    postfix = daemon.postfix()
    rewrite(daemon, myhostname="new.test")
    hang_up(daemon)
    daemon.wait_for_log("reloaded")
    waiting.say("QUIT")
    waiting.expect("221 2.0.0 new.test closing connection")
    assert postfix.deliver("Q1", ["r0@example.org"]) == ["250 2.0.0 taken"]
    customer.join()
    assert customer.commands[0] == "EHLO relay.test"
    daemon.connect().expect("220 new.test ...")


def test_new_certificate_is_shown_and_tls_sessions_stay(make_daemon):
    daemon = make_daemon()
    old = serial(daemon)
    line = daemon.known(tls=True)
    make_certificate(daemon)
    assert serial(daemon) == old
    hang_up(daemon)
    daemon.wait_for_log("reloaded")
    assert serial(daemon) != old
    line.say("NOOP")
    line.expect("250 ...")


def test_bad_certificate_leaves_the_old_one(make_daemon):
    daemon = make_daemon()
    old = serial(daemon)
    shutil.copy(daemon.dir / "odmr.conf", daemon.dir / "server.pem")
    hang_up(daemon)
    daemon.wait_for_log("error: reload failed, the old certificate stays: "
                        f"tls_cert_file: {daemon.dir}/server.pem: ")
    assert serial(daemon) == old
    assert not daemon.logged("reloaded")


def test_bad_key_is_named_and_leaves_the_old_one_and_the_settings(make_daemon):
    daemon = make_daemon()
    old = serial(daemon)
    (daemon.dir / "server.key").unlink()
    rewrite(daemon, myhostname="new.test")
    hang_up(daemon)
    daemon.wait_for_log("error: reload failed, the old certificate stays: "
                        f"tls_key_file: {daemon.dir}/server.key: No such file "
                        "or directory")
    assert serial(daemon) == old
    assert not daemon.logged("reloaded")
    daemon.connect().expect("220 relay.test ...")


def test_certificate_out_of_date_is_taken_with_a_warning(make_daemon):
    daemon = make_daemon()
    old = serial(daemon)
    make_certificate(daemon, days=-1)
    hang_up(daemon)
    daemon.wait_for_log(f"warning: tls_cert_file: {daemon.dir}/server.pem: "
                        "the certificate has expired at ")
    daemon.wait_for_log("reloaded")
    assert serial(daemon) != old


def test_bad_configuration_leaves_the_old_one(make_daemon):
    daemon = make_daemon()
    rewrite(daemon, myhostname="new.test", no_such_name="x")
    hang_up(daemon)
    daemon.wait_for_log("reload failed, the old configuration stays: ",
                        "no_such_name")
    daemon.connect().expect("220 relay.test ...")


def test_what_takes_a_restart_is_said(make_daemon):
    daemon = make_daemon()
    rewrite(daemon, listen="127.0.0.1:1", postqueue_path="/bin/false")
    hang_up(daemon)
    daemon.wait_for_log("listen counts after a restart")
    daemon.wait_for_log("postqueue_path counts after a restart")
    daemon.connect().expect("220 relay.test ...")


def test_reloading_many_times_is_harmless(make_daemon):
    daemon = make_daemon()
    line = daemon.known()
    for count in range(1, 21):
        hang_up(daemon)
        daemon.wait_for_log("reloaded")
        while len(daemon.logged("reloaded")) < count:
            line.say("NOOP")
            line.expect("250 ...")


def test_certificate_cannot_be_taken_from_under_the_tls_port(make_daemon):
    daemon = make_daemon()
    old = serial(daemon)
    rewrite(daemon, tls_cert_file="", tls_key_file="")
    hang_up(daemon)
    daemon.wait_for_log("listen_tls: needs tls_cert_file",
                        "the old configuration stays")
    assert serial(daemon) == old

# SPDX-License-Identifier: ISC
"""odmrctl setup is killed at each step that changes a file: the next setup, or
setup --undo, brings main.cf and master.cf to either state, whole."""

import shutil
import signal

import pytest

from relay import POSTFIX, Relay

# Each changes what the next one finds: what is written, and made somebody's, is
# not there for anybody until its rename(2).
STEPS = ["mkdir", "rename", "rmdir"]
STEPS_MOST = 60


@pytest.fixture(scope="module")
def states():
    """A relay, as it was, and as it is to be."""
    made = Relay("relay_domains = a.test\n")
    before = made.files()
    made.setup("--yes")
    after = made.files()
    made.setup("--undo", "--yes")
    assert made.files() == before
    yield made, before, after
    made.remove()


@pytest.fixture(autouse=True)
def the_old_state(states):
    """Whatever a test before has left."""
    relay, before, _ = states
    yield
    relay.program("postfix", POSTFIX.format(relay.directory))
    relay.setup("--undo", "--yes")
    assert relay.files() == before


def of_postfix(files):
    """The two that Postfix reads."""
    return [files[name] for name in ("main.cf", "master.cf")]


def killed_at(relay, step, number, *arguments):
    """False: it has no such step, and came to its end."""
    done = relay.odmrctl("setup", "--yes", *arguments, before=[
        "env", "ASAN_OPTIONS=detect_leaks=0", "strace", "-qq", "-o", "/dev/null", "-e", "trace=" + step,
        "-e", f"inject={step}:signal=KILL:when={number}"])
    if done.returncode == 0:
        return False
    assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), (
        done.stderr)
    return True


def check_between(relay, old, new):
    """Each of the two is whole, and master.cf has our services wherever
    main.cf has our lines."""
    main, master = of_postfix(relay.files())
    assert main in (old["main.cf"], new["main.cf"])
    assert master in (old["master.cf"], new["master.cf"])
    if b"odmr_" in main[-1]:
        assert b"etrn-policy" in master[-1]


def recovers(relay, number, before, after):
    """By setup or by --undo, in turn."""
    if number % 2:
        relay.setup("--yes")
        assert relay.files() == after
    else:
        relay.setup("--undo", "--yes")
        assert relay.files() == before


@pytest.mark.parametrize("step", STEPS + ["fsync"])
def test_setup_is_killed(states, step):
    relay, before, after = states
    number = 1
    while killed_at(relay, step, number):
        assert number < STEPS_MOST
        check_between(relay, before, after)
        recovers(relay, number, before, after)
        if number % 2:
            relay.setup("--undo", "--yes")
        number += 1
    assert number > 1
    assert relay.files() == after


@pytest.mark.parametrize("step", STEPS)
def test_undo_is_killed(states, step):
    relay, before, after = states
    number = 1
    relay.setup("--yes")
    while killed_at(relay, step, number, "--undo"):
        assert number < STEPS_MOST
        check_between(relay, before, after)
        recovers(relay, number, before, after)
        if number % 2 == 0:
            relay.setup("--yes")
        number += 1
    assert number > 1
    assert relay.files() == before


@pytest.mark.parametrize("arguments", [(), ("--undo",)])
@pytest.mark.parametrize("last", ["check check", "check check reload"])
def test_it_is_killed_while_postfix_works(states, last, arguments):
    relay, before, after = states
    if arguments:
        relay.setup("--yes")
    relay.called()
    (relay.directory / "running").touch()
    relay.program("postfix", POSTFIX.format(relay.directory) + f"""
case $(grep -v status {relay.directory}/called | tr '\\n' ' ') in
"{last} ") kill -KILL $PPID ;;
esac
""")
    done = relay.odmrctl("setup", "--yes", *arguments)
    assert done.returncode == -signal.SIGKILL
    check_between(relay, before, after)
    assert relay.odmrctl("setup", "--check").returncode == 75
    relay.program("postfix", POSTFIX.format(relay.directory))
    relay.called()
    said = relay.setup("--yes", *arguments)
    assert said.startswith("a setup was interrupted: its changes are taken "
                           "back\n")
    assert relay.called()[:2] == ["status", "reload"]
    assert relay.files() == (before if arguments else after)
    (relay.directory / "running").unlink()


def test_what_was_edited_after_it_was_killed_is_not_lost(states):
    relay, before, _ = states
    assert killed_at(relay, "rename", 3)
    text = relay.main.read_text()
    relay.main.write_text(text + "# mine\n")
    error = relay.odmrctl("setup", "--yes").stderr
    assert "main.cf: somebody has changed it meanwhile" in error
    assert f"{relay.config}/odmr-setup/pending" in error
    assert relay.main.read_text() == text + "# mine\n"
    for name in "main.cf", "master.cf":
        shutil.copy(relay.config / f"odmr-setup/pending/{name}.now",
                    relay.config / name)
    shutil.rmtree(relay.config / "odmr-setup/pending")
    relay.setup("--undo", "--yes")
    assert relay.files() == before

# SPDX-License-Identifier: ISC
"""odmrd's end of the control socket."""

import socket
import threading


def control_socket(path, *answers):
    """Gives these answers, one a connection; the list of what it has heard."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    listener.settimeout(30)
    heard = []

    def play():
        with listener:
            for answer in answers:
                sock = listener.accept()[0]
                with sock, sock.makefile("rw") as file:
                    heard.append(file.readline())
                    file.write(answer)
    threading.Thread(target=play, daemon=True).start()
    return heard

# SPDX-License-Identifier: ISC
"""aiosmtpd_server.py PORT SPOOL [CALLS]: aiosmtpd on 127.0.0.1. CALLS: it
closes after so many calls of one command."""

import asyncio
import itertools
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP

port, spool, *calls = sys.argv[1:]
numbers = itertools.count()


class Handler:
    # pylint: disable=invalid-name,too-many-arguments
    async def handle_RCPT(self, _server, _session, envelope, address, options):
        local = address.lstrip('"')
        if local.startswith("unknown"):
            return "550 5.1.1 no such user here"
        if local.startswith("deferred"):
            return "450 4.2.1 not now"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):
        base = Path(spool, str(next(numbers)))
        base.with_suffix(".eml").write_bytes(envelope.original_content)
        base.with_suffix(".to").write_text(
            "\n".join(envelope.rcpt_tos) + "\n", "utf-8")
        return "250 OK"


def make():
    limit = {"command_call_limit": int(calls[0])} if calls else {}
    return SMTP(Handler(), enable_SMTPUTF8=True, data_size_limit=None,
                hostname="customer.test", **limit)


async def serve():
    server = await asyncio.get_running_loop().create_server(
        make, "127.0.0.1", int(port))
    await server.serve_forever()


asyncio.run(serve())

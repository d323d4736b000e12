# SPDX-License-Identifier: ISC
"""Messages as they were sent and as they lie in a Maildir."""

import re

# What servers on the path put on top, each with its continuation lines.
TRACE = re.compile(
    rb"((Return-Path|X-Original-To|Delivered-To|Received):[^\n]*\n"
    rb"([ \t][^\n]*\n)*)*")
RECIPIENT = re.compile(rb"^X-Original-To: (\S+)$", re.MULTILINE)


def recipient_of(delivered):
    return RECIPIENT.search(delivered).group(1).decode()


def is_intact(delivered, sent):
    """Below the trace headers, byte for byte."""
    return delivered.endswith(sent) and \
        TRACE.fullmatch(delivered[:-len(sent)]) is not None

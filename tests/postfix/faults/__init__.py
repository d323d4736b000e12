# SPDX-License-Identifier: ISC
"""Faults that odmrctl doctor has to find, by the part that has them. Each is a
name of its own, the finding that tells, and a function that puts it into a
Patient (see clinic). Where a fault is two faults, both findings are named."""


def main(name, value):
    return lambda p: p.main(name, value)

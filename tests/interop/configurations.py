# SPDX-License-Identifier: ISC
"""Which servers there are, in which configurations, and what each is known to
do to mail by itself."""

from dataclasses import dataclass, field

from interop.servers.postfix import Postfix


@dataclass
class Configuration:
    """refuses and keeps: kind of mail -> why this server does not take it, for
    good or for now ("*": any). traits: what it does to messages; "header": it
    rewrites them, "nul": it drops it ("cut": with the rest of its line),
    "encoding": the provider's Postfix recodes 8-bit mail for it."""
    name: str
    make: type
    options: dict = field(default_factory=dict)
    refuses: dict = field(default_factory=dict)
    keeps: dict = field(default_factory=dict)
    traits: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)    # of odmr.conf
    over_tls: bool = False
    in_check: bool = False                          # also in make check

    def server(self):
        return self.make(**self.options)


ANY_421 = "regexp:{{/^plus/ 421 4.3.2 go away}}"

CONFIGURATIONS = [
    Configuration("postfix", Postfix, in_check=True),
    Configuration("postfix-tls-line", Postfix, over_tls=True),
]

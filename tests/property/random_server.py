# SPDX-License-Identifier: ISC
"""The customer's server: what stays the same in all sessions of a run.

It has abilities and moods, and perhaps habits: what real servers do wrong, or
do in a way of their own. `cost` of a habit is how many sessions odmrd may need
to find out and to go another way."""

from collections import Counter

from said import OF_THE_SESSION

ABILITIES = {"chunking": ["PIPELINING", "CHUNKING"],
             "pipelining": ["PIPELINING"],
             "neither": [],
             "helo": None,
             "bdat-lockstep": ["CHUNKING"]}
WEIGHTS = [9, 5, 2, 2, 2]

# Each with its share and its cost.
HABITS = {
    "behind-dot": (2, 0),       # what stands behind the dot is not safe
    "bdat": (4, 3),             # BDAT is offered and does not work
    "poison": (6, 2),           # one message ends the session, each time
    "errors": (2, None),        # 421 after so many refusals
    "nonmail": (2, 3),          # 421 after so many RSETs and NOOPs
    "tls": (4, 1),              # STARTTLS is required or broken
    "guard": (2, 0),            # EHLO is masked, as by a mail guard
    "unknown": (3, 0),          # most recipients are
    "crowded": (2, 0),          # 552 to the n-th recipient
}
UNLIKE = {("guard", "tls"), ("guard", "bdat"), ("errors", "nonmail"),
          ("errors", "crowded"), ("nonmail", "crowded"), ("errors", "poison"),
          ("errors", "bdat"), ("nonmail", "unknown"), ("guard", "behind-dot"),
          ("bdat", "behind-dot"), ("errors", "guard"), ("errors", "tls")}


def may_have(kind, habit):
    if habit == "bdat":
        return kind == "chunking"
    if habit == "behind-dot":
        return kind in ("pipelining", "chunking")
    return kind != "helo" or habit not in ("tls", "guard")


class Server:
    def __init__(self, rng):
        self.kind = rng.choices(list(ABILITIES), WEIGHTS)[0]
        self.offers = list(ABILITIES[self.kind] or [])
        self.utf8 = self.kind != "helo" and rng.random() < 0.6
        self.size = rng.choice([None, "", "", "0", "30000", "10000000"])
        self.habits = self._random_habits(rng)
        self.refusing = self._random_refusals(rng)
        self.permanent = rng.choice([0.1, 0.5, 0.9])
        self.message_limit = None   # a session
        if not self.habits and rng.random() < 0.15:
            self.message_limit = rng.randrange(3, 15)
        self.replying = rng.choice(["at once", "at once", "bytes", "burst",
                                    "late"])
        self.lazy_data = rng.random() < 0.5  # DATA without RCPT: 354
        # A guard that masks the banner does not let STARTTLS through.
        self.masked_banner = "tls" not in self.habits and rng.random() < 0.05
        self.reading = rng.choice([0, 0, 0, 0.002])  # pause before reading
        self.taken = Counter()      # (sender, recipient)
        self.poison = None          # a sender
        self.unknown = set()        # senders
        self._choose_ways(rng)

    def _random_habits(self, rng):
        able = [name for name in HABITS if may_have(self.kind, name)]
        count = rng.choice([0, 0, 0, 1, 1, 1, 1, 2])
        shares = [HABITS[name][0] for name in able]
        chosen = rng.choices(able, shares, k=count)
        if any({a, b} <= set(chosen) for a, b in UNLIKE):
            chosen.pop()
        return set(chosen)

    def _random_refusals(self, rng):
        """None where refusals are counted, or might be why a line closes."""
        often = rng.choice([0, 0.03, 0.3])
        if self.habits & {"errors", "nonmail", "bdat"}:
            often = 0
        return {stage: rng.choice([0, often, often])
                for stage in ("MAIL", "RCPT", "DATA", "BDAT", "END")}

    def _choose_ways(self, rng):
        """How a habit shows itself."""
        self.behind_dot = rng.choice(["answers", "swallows", "stores"])
        self.bdat = rng.choice(["refuses", "closes", "stalls", "once"])
        self.bdat_code = rng.choice([500, 502, 503])
        self.stall = rng.random() * 0.7 + 0.1
        self.poison_at = rng.choice(["MAIL", "RCPT", "DATA", "END", "END"])
        self.poison_way = rng.choice(["reset", "close", "421", "code", "500s"])
        self.poison_code = rng.choice(OF_THE_SESSION)
        self.errors_max = rng.choice([1, 2, 3, 5, 10, 20])
        self.errors_at_once = rng.random() < 0.5
        self.nonmail_max = rng.choice([2, 5, 10])
        self.nonmail_total = rng.random() < 0.5
        self.tls = rng.choice(["required", "broken", "at first", "later"])
        self.unknown_share = rng.choice([0.3, 0.7, 0.95])
        self.crowd_max = rng.choice([1, 2, 3])
        self.crowd_code = rng.choice([552, 552, 452])

    def meet(self, rng, messages):
        """Chooses those that it treats in a way of their own."""
        if "poison" in self.habits:
            self.poison = rng.choice(messages).sender
        if "unknown" in self.habits or "errors" in self.habits:
            self.unknown = {m.sender for m in messages
                            if rng.random() < self.unknown_share}

    def limit_size(self, size):
        return bool(self.size) and 0 < int(self.size) < size

    def cost(self, messages):
        """Sessions that may be needed beyond the first one, or None: that
        cannot be told."""
        cost = sum(HABITS[name][1] or 0 for name in self.habits)
        if "tls" in self.habits and self.tls == "later":
            cost += 1
        if {"bdat", "unknown"} <= self.habits:
            cost += 2   # it may look as if it were because of those
        if "errors" in self.habits:
            bad = sum(len(m.recipients) for m in messages
                      if m.sender in self.unknown)
            more = -(-(2 * bad + 10) // self.errors_max)
            if more > 3:
                return None
            cost += more
        if self.message_limit and (any(m.arrives for m in messages) or
                                   any(self.refusing.values())):
            return None
        if self.message_limit:
            cost += -(-len(messages) // self.message_limit)
        return cost

    def has_utf8(self):
        """And shows it to whoever asks."""
        return self.utf8 and "guard" not in self.habits

    def is_sound(self):
        """There is nothing to be learnt of it."""
        return not self.habits and not self.message_limit

    def __str__(self):
        ways = {"behind-dot": self.behind_dot, "bdat": self.bdat,
                "poison": f"{self.poison_way} at {self.poison_at} of "
                f"{self.poison}", "errors": self.errors_max,
                "nonmail": self.nonmail_max, "tls": self.tls,
                "crowded": self.crowd_max, "unknown": self.unknown_share}
        habits = "".join(f", {name}: {ways.get(name, 'yes')}"
                         for name in sorted(self.habits))
        return f"{self.kind}, replies {self.replying}{habits}"

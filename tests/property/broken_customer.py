# SPDX-License-Identifier: ISC
"""A customer whose server has habits (random_server.py): what real servers do
wrong, or do in a way of their own."""

import asyncio
import ssl

from random_customer import Customer, Farewell


class BrokenCustomer(Customer):
    """`number`: of the session in its run."""

    def __init__(self, number, certificate, *args, **more):
        super().__init__(*args, **more)
        self.number = number
        self.certificate = certificate
        self.secure = self.greeted = False
        self.errors = self.nonmail = self.chunked = 0
        self.garbled = False    # octets are read as commands
        self.surplus = False    # there are more replies than commands

    def _has(self, habit, *ways):
        """In one of these ways; without ways, at all."""
        way = {"behind-dot": self.server.behind_dot, "bdat": self.server.bdat,
               "tls": self.server.tls}.get(habit)
        return habit in self.server.habits and (not ways or way in ways)

    async def _drop(self, way):
        """Ends the session without a word, or with 421."""
        self.astray = self.astray or f"the line is dropped: {way}"
        self.replies.flush()
        if way == "421":
            await self._close()
        if way == "reset":
            self.wire.cut()
        else:
            self.wire.finish()
        self.end = "cut"
        raise Farewell

    # ---- errors and other commands are counted

    async def _give(self, code, what, status=None, **more):
        answer = await super()._give(code, what, status, **more)
        self.errors += code >= 400
        return answer

    async def _command(self, text):
        counting = self._has("errors")
        if counting and self.errors >= self.server.errors_max:
            await self._close()
        await super()._command(text)
        if counting and self.server.errors_at_once and \
                self.errors >= self.server.errors_max:
            await self._close()

    async def _count_nonmail(self):
        self.nonmail += 1
        if self._has("nonmail") and self.nonmail > self.server.nonmail_max:
            await self._close()

    async def _rset(self, argument):
        await self._count_nonmail()
        await super()._rset(argument)

    async def _noop(self, argument):
        await self._count_nonmail()
        await super()._noop(argument)

    # ---- the greeting, TLS

    def _rows(self):
        if self._has("tls") and not self.secure:
            return [*super()._rows(), "STARTTLS"]
        return super()._rows()

    async def _ehlo(self, argument):
        if not self._has("guard"):
            await super()._ehlo(argument)
            return
        self._forget()
        await self._reply("250 2.0.0 Ok")

    async def _helo(self, argument):
        self.greeted = True
        await super()._helo(argument)

    async def _starttls(self):
        if self.wire.buffer:
            self._fault("sent ahead of the reply to STARTTLS")
        await self._reply("220 go")
        self.replies.flush()
        breaks = {"broken": True, "at first": self.number == 0,
                  "later": self.number == 1}
        if breaks.get(self.server.tls):
            self.shown.add("tls")
            self.wire.send(b"this is no TLS record at all\r\n")
            await self._drop("close")
        self.offered.clear()
        try:
            await self.wire.secure(self.certificate)
        except (OSError, ssl.SSLError):
            await self._drop("reset")
        self.secure = True

    def _mute(self):
        """What has to be done before any mail; None: nothing."""
        if self._has("tls", "required", "at first", "later") and \
                not self.secure:
            return 530, "5.7.0"
        if self._has("guard") and not self.greeted:
            return 503, "5.5.1"
        return None

    # ---- messages

    async def _unknown(self, text):
        if text == "STARTTLS" and self._has("tls"):
            await self._starttls()
        elif self.garbled:
            await self._give_of_session("what", 500)
        else:
            await super()._unknown(text)

    async def _quit(self, argument):
        if not self.garbled:
            await super()._quit(argument)
        await self._reply("221 I can break rules, too")
        await self._drop("close")

    async def _nested(self, sender):
        if not self.garbled:
            await super()._nested(sender)
        else:
            await self._give_of_session("nested MAIL", 503)

    async def _strike(self, stage, what):
        """If this message is the poison: ends the session, or answers."""
        server = self.server
        if not self._has("poison") or self.open != server.poison or \
                server.poison_at not in ({stage} if stage != "END"
                                         else {"DATA", "END"}):
            return None
        self.struck = True
        # Behind a refusal that may be what the server closes at.
        self.struck_behind = self.replies.last[:1] in ("4", "5")
        self.shown.add("poison")
        if server.poison_way == "code":
            return await self._give_of_session(what, *server.poison_code)
        if server.poison_way != "500s":
            await self._drop(server.poison_way)
        self.surplus = True
        self.closing = 0
        answer = await self._give_of_session("Line too long", 500)
        for _ in range(3):
            await self._give_of_session("Line too long", 500)
        return answer

    async def _judge(self, stage, what, success):
        answer = await self._strike("DATA" if stage == "BDAT" else stage, what)
        if not answer and self.open == self.server.poison:
            answer = await self._give(success, what)
        return answer or await super()._judge(stage, what, success)

    async def _answer_mail(self, argument):
        mute = self._mute()
        if mute:
            return await self._give_of_session("not yet", *mute)
        return await super()._answer_mail(argument)

    async def _answer_rcpt(self, said):
        if self.open in self.server.unknown:
            return await self._give(550, "unknown", "5.1.1")
        accepted = sum(not answer.refuses()
                       for answer in said.recipients.values())
        if self._has("crowded") and accepted >= self.server.crowd_max:
            return await self._give(self.server.crowd_code, "too many",
                                    "5.5.3" if self.server.crowd_code == 552
                                    else "4.5.3",
                                    crowd=self.server.crowd_code == 552)
        return await super()._answer_rcpt(said)

    async def _take(self, body, what):
        """What stands behind the dot is for the habit to treat."""
        if what == "dot" and self._has("behind-dot") and self.wire.buffer:
            behind = bytes(self.wire.buffer)
            if self.server.behind_dot == "stores":
                body += behind
            if self.server.behind_dot != "answers":
                self.wire.buffer.clear()
        return await super()._take(body, what)

    def _waited_for(self, what, code):
        if not self.surplus and \
                not (what == "dot" and self._has("behind-dot")):
            super()._waited_for(what, code)

    async def _answer_end(self, body, what):
        behind = self.wire.buffer.count(b"\r\n") if what == "dot" else 0
        answer = await super()._answer_end(body, what)
        if self._has("behind-dot", "answers"):
            for _ in range(behind):
                await self.wire.line()
                await self._give_of_session("behind the dot", 503, "5.5.1")
        return answer

    # ---- BDAT

    async def _bdat(self, argument):
        last = argument.endswith(" LAST")
        if not self._has("bdat") or \
                (self.server.bdat == "once" and not self.chunked):
            await super()._bdat(argument)
            self.chunked += last
            return
        self.shown.add("bdat")
        if self.server.bdat == "closes":
            await self._drop("close")
        elif self.server.bdat == "stalls":
            await asyncio.sleep(self.server.stall)
            await self._drop("close")
        else:
            self.garbled = True
            answer = await self._give_of_session("BDAT", self.server.bdat_code)
            if self.open and not self.said[self.open].body:
                self.said[self.open].body = answer

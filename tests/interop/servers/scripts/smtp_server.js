// SPDX-License-Identifier: ISC
// smtp_server.js MODULE PORT SPOOL [EXTENSION...]: a server on 127.0.0.1 that
// does not offer those extensions.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const [module_, port, spool, ...hidden] = process.argv.slice(2);
const { SMTPServer } = require(module_);

function refusal(code, text) {
	return Object.assign(new Error(text), { responseCode: code });
}

const options = {
	authOptional: true,
	disabledCommands: ['AUTH', 'STARTTLS'],
	disableReverseLookup: true,
	onRcptTo({ address }, session, done) {
		if (/^"?unknown/.test(address))
			return done(refusal(550, '5.1.1 no such user here'));
		if (/^"?deferred/.test(address))
			return done(refusal(450, '4.2.1 not now'));
		done();
	},
	onData(stream, session, done) {
		const base = path.join(spool,
		    `${process.pid}-${process.hrtime.bigint()}`);
		stream.pipe(fs.createWriteStream(`${base}.eml`)).on('finish', () => {
			fs.writeFileSync(`${base}.to`, session.envelope.rcptTo.map(
			    ({ address }) => `${address}\n`).join(''));
			done();
		});
	},
};
for (const name of hidden)
	options[`hide${name}`] = true;
new SMTPServer(options).listen(Number(port), '127.0.0.1');

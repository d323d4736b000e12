// SPDX-License-Identifier: ISC
// A Haraka plugin: who is a recipient, and where mail goes.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

exports.register = function () {
	this.spool = this.config.get('spool').trim();
	this.register_hook('rcpt', 'rcpt_take');
	this.register_hook('queue', 'queue_take');
};

exports.rcpt_take = function (next, connection, params) {
	const user = params[0].user.replace(/^"/, '');
	if (user.startsWith('unknown'))
		return next(DENY, 'no such user here');
	if (user.startsWith('deferred'))
		return next(DENYSOFT, 'not now');
	next(OK);
};

exports.queue_take = function (next, connection) {
	const transaction = connection.transaction;
	const base = path.join(this.spool, transaction.uuid);
	const file = fs.createWriteStream(`${base}.eml`);
	file.on('finish', () => {
		fs.writeFileSync(`${base}.to`, transaction.rcpt_to.map(
		    (rcpt) => `${rcpt.user}@${rcpt.host}\n`).join(''));
		next(OK);
	});
	transaction.message_stream.pipe(file);
};

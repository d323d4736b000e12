/* SPDX-License-Identifier: ISC */
/*
 * What the service manager hears of a daemon (sd_notify(3), Type=notify).
 * Where there is none, or libsystemd was not there when this was built,
 * nothing happens.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

/* It answers now; also after a reload. */
void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);

#endif

/* SPDX-License-Identifier: ISC */
/*
 * What the service manager hears of a daemon: the protocol of sd_notify(3), by
 * the variables NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of the
 * environment. Where there is no manager, nothing happens.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdint.h>

/* It answers now; also after a reload. */
void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);

/* With WatchdogSec= it kills who does not say in time that it is alive: how
 * often to say so, in half of that time. 0: it does not want to know. */
int64_t notify_watchdog_ms(void);
void notify_alive(void);

#endif

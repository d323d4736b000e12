/* SPDX-License-Identifier: ISC */
/* All that is kept in the store; store_common.h tells how it is used. */
#ifndef STORE_H
#define STORE_H

#include "store_account.h"
#include "store_domain.h"
#include "store_etrn.h"
#include "store_history.h"
#include "store_mail_log.h"
#include "store_probe.h"
#include "store_session.h"
#include "store_tag.h"
#include "store_usage.h"

#endif

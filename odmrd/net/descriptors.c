/* SPDX-License-Identifier: ISC */
#include <sys/resource.h>

#include <errno.h>
#include <string.h>

#include "descriptors.h"
#include "lib/log.h"

/* The line, and the socket of one domain. */
enum { PER_SESSION = 2 };
/* Postfix's deliveries, which maxproc in master.cf bounds for all customers
 * together (1000), and the few files of our own. */
enum { FOR_ALL = 2048 };

void
descriptors_raise(const struct conf *conf)
{
	rlim_t need = (rlim_t)conf->session_limit * PER_SESSION + FOR_ALL;
	struct rlimit had, wanted;

	if (getrlimit(RLIMIT_NOFILE, &had) == -1) {
		log_warning(NULL, "limit of open files: %s", strerror(errno));
		return;
	}
	if (had.rlim_cur >= need)
		return;
	wanted.rlim_cur = need;
	wanted.rlim_max = had.rlim_max > need ? had.rlim_max : need;
	if (setrlimit(RLIMIT_NOFILE, &wanted) == 0)
		return;
	wanted.rlim_cur = wanted.rlim_max = had.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &wanted) == -1)
		wanted = had;
	log_warning(NULL,
	    "open files: %llu is the limit, session_limit = %ld may need %llu "
	    "(LimitNOFILE= in odmrd.service, or ulimit -n)",
	    (unsigned long long)wanted.rlim_cur, conf->session_limit,
	    (unsigned long long)need);
}

/* SPDX-License-Identifier: ISC */
/*
 * What odmrctl doctor can find: a name that stays, how bad it is, and what it
 * does to mail. The names are an interface, see odmrctl(8).
 */
#ifndef FINDING_H
#define FINDING_H

enum severity { SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_ERROR, SEVERITIES };

/* The order is that of finding.def. */
enum finding {
#define FINDING(id, name, severity, effect) id,
#include "finding.def"
#undef FINDING
	FINDINGS
};

struct finding_kind {
	const char *name;
	enum severity severity;
	const char *effect;
};

extern const struct finding_kind finding_kinds[FINDINGS];

#endif

/* SPDX-License-Identifier: ISC */
#include "finding.h"

const struct finding_kind finding_kinds[FINDINGS] = {
#define FINDING(id, name, severity, effect)                                    \
	[id] = { name, SEVERITY_##severity, effect },
#include "finding.def"
#undef FINDING
};

const char *
severity_name(enum severity severity)
{
	static const char *const names[SEVERITIES] = { "note", "warning",
		"error" };

	return names[severity];
}

/* SPDX-License-Identifier: ISC */
/*
 * odmrctl doctor: daemons that were not restarted after an upgrade.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "lib/process.h"

/* What /proc/PID/exe says of a file that has gone, or has another in its
 * place. */
#define GONE " (deleted)"

static void
check_program(struct doctor *doctor, const char *pid_file, const char *program)
{
	const long pid = process_of_file(pid_file, program);
	char path[PATH_MAX + sizeof(GONE)], *end;
	ssize_t len;

	if (pid == 0)
		return;
	len = readlink(
	    doctor_text(doctor, "/proc/%ld/exe", pid), path, sizeof(path) - 1);
	if (len == -1)
		return;
	path[len] = '\0';
	end = path + len - strlen(GONE);
	if (end <= path || strcmp(end, GONE) != 0)
		return;
	*end = '\0';
	if (access(path, X_OK) == 0)
		doctor_find(doctor, PROGRAM_REPLACED,
		    doctor_text(doctor, "%s", path),
		    doctor_text(doctor, "systemctl restart %s", program),
		    "process %ld runs the file that was there before", pid);
}

void
check_programs(struct doctor *doctor)
{
	check_program(doctor, doctor->conf->pid_file, "odmrd");
	check_program(doctor, doctor->conf->milter_pid_file, "odmr-milter");
}

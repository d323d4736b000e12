/* SPDX-License-Identifier: ISC */
/*
 * A milter of libmilter that asks for what odmr-milter asks for, and does
 * nothing with it: what bench/milter.py compares with.
 *
 *	idle_milter unix:/path
 */
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>

#include <libmilter/mfapi.h>

static sfsistat
on_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long steps,
    unsigned long unused2, unsigned long unused3, unsigned long *our_actions,
    unsigned long *our_steps, unsigned long *our2, unsigned long *our3)
{
	static char queue_id[] = "i";

	(void)unused2;
	(void)unused3;
	*our_actions = actions & SMFIF_SETSYMLIST;
	*our_steps = steps &
	    (SMFIP_NOHELO | SMFIP_NODATA | SMFIP_NOEOH | SMFIP_NOBODY |
		SMFIP_NOUNKNOWN | SMFIP_NR_CONN | SMFIP_NR_MAIL |
		SMFIP_NR_RCPT | SMFIP_NR_HDR);
	*our2 = *our3 = 0;
	for (int stage = SMFIM_FIRST; stage <= SMFIM_LAST; stage++)
		smfi_setsymlist(ctx, stage, queue_id);
	return SMFIS_CONTINUE;
}

static sfsistat
on_connect(SMFICTX *ctx, char *host, struct sockaddr *address)
{
	(void)ctx;
	(void)host;
	(void)address;
	return SMFIS_NOREPLY;
}

static sfsistat
on_words(SMFICTX *ctx, char **argv)
{
	(void)ctx;
	(void)argv;
	return SMFIS_NOREPLY;
}

static sfsistat
on_header(SMFICTX *ctx, char *name, char *value)
{
	(void)ctx;
	(void)name;
	(void)value;
	return SMFIS_NOREPLY;
}

static sfsistat
on_end(SMFICTX *ctx)
{
	(void)ctx;
	return SMFIS_CONTINUE;
}

int
main(int argc, char **argv)
{
	static char name[] = "idle_milter";

	if (argc != 2 ||
	    smfi_register((struct smfiDesc) {
		.xxfi_name = name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_connect = on_connect,
		.xxfi_envfrom = on_words,
		.xxfi_envrcpt = on_words,
		.xxfi_header = on_header,
		.xxfi_eom = on_end,
		.xxfi_negotiate = on_negotiate,
	    }) != MI_SUCCESS)
		return EX_USAGE;
	umask(0);
	smfi_setconn(argv[1]);
	return smfi_main() == MI_SUCCESS ? EX_OK : EX_UNAVAILABLE;
}

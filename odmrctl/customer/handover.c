/* SPDX-License-Identifier: ISC */
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>

#include "customer.h"
#include "lib/address.h"

/* What all parts of the text need. */
struct sheet {
	FILE *out;
	const struct conf *conf;
	const struct customer *customer;
	unsigned port;     /* of `listen`; 0: none */
	unsigned tls_port; /* of `listen_tls`; 0: none */
	bool starttls;
};

unsigned
handover_port(const char *list)
{
	struct address address;
	char error[256];

	if (address_next(&list, &address, error, sizeof(error)) != 1)
		return 0;
	return address.addr.ss_family == AF_INET6
	    ? ntohs(((const struct sockaddr_in6 *)&address.addr)->sin6_port)
	    : ntohs(((const struct sockaddr_in *)&address.addr)->sin_port);
}

static const char *
password_of(const struct sheet *sheet)
{
	const char *password = sheet->customer->password;

	return password != NULL ? password : "its password";
}

/* ---- domains ------------------------------------------------------------- */

static size_t
count_domains(const struct sheet *sheet, enum domain_mode mode)
{
	size_t count = 0;

	for (size_t i = 0; i < sheet->customer->count; i++)
		count += sheet->customer->domains[i].mode == mode;
	return count;
}

/* Those in mode odmr, or the others. */
static void
put_domains(const struct sheet *sheet, bool odmr, const char *between)
{
	const char *before = "";

	for (size_t i = 0; i < sheet->customer->count; i++) {
		const struct customer_domain *domain =
		    &sheet->customer->domains[i];

		if ((domain->mode == MODE_ODMR) != odmr)
			continue;
		fprintf(sheet->out, "%s%s", before, domain->name);
		before = between;
	}
}

/* A backup is asked last. */
static void
put_mx(const struct sheet *sheet)
{
	fprintf(sheet->out, "\nDNS\n");
	for (size_t i = 0; i < sheet->customer->count; i++) {
		const struct customer_domain *domain =
		    &sheet->customer->domains[i];

		fprintf(sheet->out, "    %s. IN MX %s %s.\n", domain->name,
		    domain->mode == MODE_BACKUP ? "20" : "10",
		    sheet->conf->myhostname);
	}
	if (count_domains(sheet, MODE_BACKUP) > 0)
		fprintf(sheet->out,
		    "    ; with 20, behind the customer's own MX, which has "
		    "less\n");
}

/* ---- those who collect by ATRN ------------------------------------------- */

/* In the double quotes of .fetchmailrc. */
static void
put_quoted(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			putc('\\', out);
		putc(*text, out);
	}
}

static void
put_fetchmail(const struct sheet *sheet)
{
	bool tls = sheet->tls_port != 0;

	fprintf(sheet->out,
	    "\nfetchmail: ~/.fetchmailrc, with mode 0600\n"
	    "    poll %s protocol ODMR port %u\n"
	    "        user \"",
	    sheet->conf->myhostname, tls ? sheet->tls_port : sheet->port);
	put_quoted(sheet->out, sheet->customer->login);
	fprintf(sheet->out, "\" password \"%s\"\n%s        fetchdomains ",
	    password_of(sheet), tls ? "        ssl sslcertck\n" : "");
	put_domains(sheet, true, ",");
	fprintf(sheet->out,
	    "\n        smtphost localhost\n"
	    "  the server there must not relay for localhost: that is where "
	    "the "
	    "provider\n  seems to come from\n");
}

/* Exim expands what stands in its configuration. */
static bool
is_simple(const char *login)
{
	return login[strspn(login,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		   "0123456789.-_@+")] == '\0';
}

static void
put_exim_login(const struct sheet *sheet)
{
	const char *login = sheet->customer->login;

	if (sheet->customer->cram_md5)
		fprintf(sheet->out,
		    "      driver = cram_md5\n"
		    "      public_name = CRAM-MD5\n"
		    "      client_name = %s\n"
		    "      client_secret = %s\n",
		    login, password_of(sheet));
	else
		fprintf(sheet->out,
		    "      driver = plaintext\n"
		    "      public_name = PLAIN\n"
		    "      client_send = ^%s^%s\n",
		    login, password_of(sheet));
}

/* By the chapter of its specification about ODMR. */
static void
put_exim(const struct sheet *sheet)
{
	fprintf(sheet->out,
	    "\nExim, from 4.99 on: its configuration, the router before all "
	    "others\n"
	    "    begin routers\n"
	    "    odmr_provider:\n"
	    "      driver = manualroute\n"
	    "      condition = ${if eq {$atrn_mode}{C}}\n"
	    "      route_data = <;$domain\n"
	    "      transport = odmr_provider\n"
	    "    begin transports\n"
	    "    odmr_provider:\n"
	    "      driver = smtp\n"
	    "      port = %u\n"
	    "      hosts_require_auth = *\n"
	    "%s"
	    "      command_timeout = 10m\n"
	    "    begin authenticators\n"
	    "    odmr_provider:\n",
	    sheet->port,
	    sheet->starttls ? "      hosts_require_tls = *\n" : "");
	put_exim_login(sheet);
	fprintf(sheet->out, "  and to collect\n    exim -atrn %s ",
	    sheet->conf->myhostname);
	put_domains(sheet, true, ",");
	putc('\n', sheet->out);
}

static void
put_documented(const struct sheet *sheet)
{
	fprintf(sheet->out,
	    "\nMDaemon, as documented, not tried: Default Domain / Servers, "
	    "Mail Release\n"
	    "    host %s, port %u, text to send: ATRN\n"
	    "    login %s, or the domain where it takes no other\n",
	    sheet->conf->myhostname, sheet->port, sheet->customer->login);
	if (sheet->starttls || sheet->conf->allow_plaintext_auth)
		fprintf(sheet->out,
		    "\nExchange 2000 and 2003, as documented, not tried: an "
		    "SMTP connector\n"
		    "    smart host %s, port %u instead of 25\n"
		    "    Advanced: TURN after Authentication\n"
		    "    Outbound Security: Basic, login %s%s\n",
		    sheet->conf->myhostname, sheet->port,
		    sheet->customer->login,
		    sheet->conf->allow_plaintext_auth
			? ""
			: "; with TLS 1.2, or the provider\n    has to set "
			  "allow_plaintext_auth");
}

/* ---- those who start it by ETRN ------------------------------------------ */

static void
put_etrn(const struct sheet *sheet)
{
	fprintf(sheet->out,
	    "\nETRN: starts what waits; the password is the first line of a "
	    "file with mode 0600\n"
	    "    etrn-trigger --remote %s:%u%s --login %s \\\n"
	    "        --password-file FILE ",
	    sheet->conf->myhostname, sheet->port,
	    sheet->starttls ? " --starttls" : "", sheet->customer->login);
	put_domains(sheet, false, " ");
	putc('\n', sheet->out);
}

/* ---- what the provider should know --------------------------------------- */

static void
put_notes(const struct sheet *sheet)
{
	FILE *out = sheet->out;
	bool odmr = count_domains(sheet, MODE_ODMR) > 0;

	if (sheet->customer->cram_md5)
		fprintf(out,
		    "\nCRAM-MD5 is on, which fetchmail needs: the password is "
		    "kept readable in the\ndatabase (man odmrctl, "
		    "CRAM-MD5).\n");
	else if (odmr)
		fprintf(out,
		    "\nCRAM-MD5 is off, so fetchmail cannot collect; it needs "
		    "the password kept readable:\n    odmrctl account passwd "
		    "%s --cram-md5\n",
		    sheet->customer->login);
	if (odmr && sheet->customer->cram_md5 && sheet->tls_port == 0)
		fprintf(out,
		    "fetchmail's mail goes in clear: it has no STARTTLS here, "
		    "and listen_tls is not set.\n");
}

void
handover(FILE *out, const struct conf *conf, const struct customer *customer)
{
	struct sheet sheet = { .out = out,
		.conf = conf,
		.customer = customer,
		.port = handover_port(conf->listen),
		.tls_port = handover_port(conf->listen_tls),
		.starttls = conf->tls_cert_file[0] != '\0' };
	size_t odmr = count_domains(&sheet, MODE_ODMR);

	fprintf(out, "server    %s, port %u%s", conf->myhostname, sheet.port,
	    sheet.starttls ? " with STARTTLS" : " without TLS");
	if (sheet.tls_port != 0)
		fprintf(out, ", port %u with TLS", sheet.tls_port);
	fprintf(out, "\nlogin     %s\n", customer->login);
	if (customer->password != NULL)
		fprintf(
		    out, "password  %s   shown only now\n", customer->password);
	if (customer->count > 0)
		put_mx(&sheet);
	if (odmr > 0 && customer->cram_md5)
		put_fetchmail(&sheet);
	if (odmr > 0 && is_simple(customer->login) &&
	    (customer->cram_md5 || sheet.starttls))
		put_exim(&sheet);
	if (odmr > 0)
		put_documented(&sheet);
	if (odmr < customer->count)
		put_etrn(&sheet);
	put_notes(&sheet);
}

# SPDX-License-Identifier: ISC
# net_server_mail.pl PORT SPOOL: Net::Server::Mail with PIPELINING and 8BITMIME
# on 127.0.0.1. A process for each connection.
use strict;
use warnings;
use IO::Socket::INET;
use Net::Server::Mail::ESMTP;

my ($port, $spool) = @ARGV;
my $count = 0;

sub recipient {
	my ($session, $address) = @_;
	return (0, 550, '5.1.1 no such user here') if $address =~ /^"?unknown/;
	return (0, 450, '4.2.1 not now') if $address =~ /^"?deferred/;
	return 1;
}

sub queue {
	my ($session, $data) = @_;
	my $base = "$spool/$$-" . $count++;
	open my $message, '>:raw', "$base.eml" or return (0, 451, "$!");
	print $message $$data;
	close $message or return (0, 451, "$!");
	open my $envelope, '>:raw', "$base.to" or return (0, 451, "$!");
	print $envelope "$_\n" for $session->get_recipients();
	close $envelope or return (0, 451, "$!");
	return 1;
}

$SIG{CHLD} = 'IGNORE';
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
    LocalPort => $port, Listen => 5, ReuseAddr => 1) or die $!;
while (my $connection = $server->accept) {
	next if fork;
	my $smtp = Net::Server::Mail::ESMTP->new(socket => $connection);
	$smtp->register('Net::Server::Mail::ESMTP::PIPELINING');
	$smtp->register('Net::Server::Mail::ESMTP::8BITMIME');
	$smtp->set_callback(RCPT => \&recipient);
	$smtp->set_callback(DATA => \&queue);
	$smtp->process();
	exit 0;
}

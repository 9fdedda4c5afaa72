/* Every path that is compiled in.  The Makefile gives the folders. */
#ifndef CHATOPS_PATHNAMES_H
#define CHATOPS_PATHNAMES_H

#define PATH_CONF		CHATOPS_SYSCONFDIR "/bot.config.json"
#define PATH_EXECUTOR		CHATOPS_LIBEXECDIR "/chatops-executor"
#define PATH_AUDITD		CHATOPS_LIBEXECDIR "/chatops-auditd"
#define PATH_NETWORK		CHATOPS_LIBEXECDIR "/chatops-network"
#define PATH_CHATOPSD		CHATOPS_SBINDIR "/chatopsd"
#define PATH_DEVNULL		"/dev/null"
#define PATH_RESOLV_CONF	"/etc/resolv.conf"
#define PATH_CA_DEBIAN		"/etc/ssl/certs/ca-certificates.crt"
#define PATH_CA_REDHAT		"/etc/pki/tls/certs/ca-bundle.crt"
#define PATH_RUN		"/run/chatopsd"	/* default of paths.run */
#define PATH_LOG		"/dev/log"
#define PATH_HOSTS		"/etc/hosts"

/* Names inside the configured folders. */
#define NAME_DATABASE		"bot.db"
#define NAME_AUDIT_LOG		"script-executions.log"
#define NAME_CONTROL		"control.sock"
#define NAME_LOCK		"chatopsd.lock"

/* Members may use the control socket of a daemon that root started. */
#define GROUP_CONTROL		"chatops"

#endif

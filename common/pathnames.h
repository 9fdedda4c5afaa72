/* Every path that is compiled in.  The Makefile gives the folders. */
#ifndef CHATOPS_PATHNAMES_H
#define CHATOPS_PATHNAMES_H

#define PATH_CONF		CHATOPS_SYSCONFDIR "/bot.config.json"
#define PATH_EXECUTOR		CHATOPS_LIBEXECDIR "/chatops-executor"
#define PATH_AUDITD		CHATOPS_LIBEXECDIR "/chatops-auditd"
#define PATH_CHATOPSD		CHATOPS_SBINDIR "/chatopsd"
#define PATH_DEVNULL		"/dev/null"
#define PATH_RESOLV_CONF	"/etc/resolv.conf"
#define PATH_HOSTS		"/etc/hosts"

/* Names inside the configured folders. */
#define NAME_DATABASE		"bot.db"
#define NAME_AUDIT_LOG		"script-executions.log"
#define NAME_CONTROL		"control.sock"
#define NAME_LOCK		"chatopsd.lock"

#endif

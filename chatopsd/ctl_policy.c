/*
 * "policy check": the allowlist without a daemon.
 */
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "check.h"
#include "compat.h"
#include "ctl.h"

static void
show(const struct findings *f, const char *severity, int json)
{
	char	 safe[8192];
	char	*text;
	json_t	*row;
	size_t	 i;

	for (i = 0; i < f->n; i++) {
		if (!json) {
			ctl_escape(safe, sizeof(safe), f->lines[i]);
			(void)printf("%s: %s\n", severity, safe);
			continue;
		}
		row = json_pack("{s:s, s:s}", "severity", severity, "text",
		    f->lines[i]);
		text = row == NULL ? NULL : json_dumps(row, JSON_COMPACT |
		    JSON_ENSURE_ASCII);
		if (text != NULL)
			(void)puts(text);
		free(text);
		json_decref(row);
	}
	if (f->more != 0 && !json)
		(void)printf("%s: and %zu more\n", severity, f->more);
}

/* The file and, without a configuration, its folder as the base. */
static void
use_file(struct conf *conf, const char *file, int has_conf)
{
	char	*path, *slash;

	if ((path = realpath(file, NULL)) == NULL)
		err(CTL_FAILED, "%s", file);
	if (strlcpy(conf->allowlist, path, sizeof(conf->allowlist)) >=
	    sizeof(conf->allowlist))
		errx(CTL_FAILED, "%s: its path is too long", file);
	if (!has_conf) {
		slash = strrchr(path, '/');
		slash[slash == path] = '\0';
		(void)strlcpy(conf->base, path, sizeof(conf->base));
	}
	free(path);
}

int
ctl_policy_check(const struct ctl *ctl, const char *file)
{
	struct conf	 conf = ctl->conf;
	struct findings	 errors, warnings;
	long		 n;

	if (!ctl->has_conf && file == NULL)
		errx(CTL_FAILED, "%s cannot be read: name the allowlist, as "
		    "in \"policy check script-allowlist.json\", or become "
		    "root", ctl->conf_path);
	if (file != NULL)
		use_file(&conf, file, ctl->has_conf);
	memset(&errors, 0, sizeof(errors));
	memset(&warnings, 0, sizeof(warnings));
	n = check_allowlist(&conf, &errors, &warnings);
	show(&warnings, "warning", ctl->json);
	show(&errors, "error", ctl->json);
	if (errors.n == 0 && !ctl->json)
		(void)printf("%s: OK, %ld script%s\n", conf.allowlist, n,
		    n == 1 ? "" : "s");
	n = errors.n == 0 ? CTL_OK : CTL_FAILED;
	findings_clear(&errors);
	findings_clear(&warnings);
	return (int)n;
}

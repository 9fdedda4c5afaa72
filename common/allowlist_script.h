/* One script of the allowlist; used by allowlist.c only. */
#ifndef CHATOPS_ALLOWLIST_SCRIPT_H
#define CHATOPS_ALLOWLIST_SCRIPT_H

#include "allowlist.h"
#include "json_in.h"

/* 0, or -1 with the error in in; script_clear() may be called either way. */
int	 script_read(struct json_in *, const json_t *, struct script *);
void	 script_clear(struct script *);

#endif

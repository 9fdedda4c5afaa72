/*
 * pending_post_id: one table for the whole server, least recently used out,
 * an entry good for 30 s.  Whoever uses an id first owns it.
 */
#include "mattermost.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#define PENDING_MAX	25000
#define PENDING_TTL_MS	30000

struct pending {
	TAILQ_ENTRY(pending)	 entry;
	char			*key;
	char			 post[MM_ID_LEN + 1];	/* "" while running */
	int64_t			 at;
};
static TAILQ_HEAD(, pending)	 pendings = TAILQ_HEAD_INITIALIZER(pendings);
static size_t			 npendings;

static void
pending_free(struct pending *p)
{
	TAILQ_REMOVE(&pendings, p, entry);
	npendings--;
	free(p->key);
	free(p);
}

static struct pending *
pending_find(const char *key)
{
	struct pending	*p;

	TAILQ_FOREACH(p, &pendings, entry)
		if (strcmp(p->key, key) == 0)
			return p;
	return NULL;
}

/* PENDING_DONE puts the post's id into id. */
enum pending_state
pending_begin(const char *key, char id[MM_ID_LEN + 1])
{
	struct pending	*p;

	if ((p = pending_find(key)) != NULL &&
	    clock_ttl_ms() - p->at >= PENDING_TTL_MS) {
		pending_free(p);
		p = NULL;
	}
	if (p != NULL) {
		TAILQ_REMOVE(&pendings, p, entry);
		TAILQ_INSERT_TAIL(&pendings, p, entry);
		if (p->post[0] == '\0')
			return PENDING_RUNNING;
		strlcpy(id, p->post, MM_ID_LEN + 1);
		return PENDING_DONE;
	}
	if (npendings == PENDING_MAX)
		pending_free(TAILQ_FIRST(&pendings));
	if ((p = calloc(1, sizeof(*p))) == NULL ||
	    (p->key = strdup(key)) == NULL)
		err(1, NULL);
	p->at = clock_ttl_ms();
	TAILQ_INSERT_TAIL(&pendings, p, entry);
	npendings++;
	return PENDING_NEW;
}

/* It was stored as that post, or (NULL) it failed and the key is free. */
void
pending_end(const char *key, const char *id)
{
	struct pending	*p;

	if ((p = pending_find(key)) == NULL)
		return;
	if (id == NULL) {
		pending_free(p);
		return;
	}
	strlcpy(p->post, id, sizeof(p->post));
	p->at = clock_ttl_ms();
}

void
pending_clear(void)
{
	struct pending	*p;

	while ((p = TAILQ_FIRST(&pendings)) != NULL)
		pending_free(p);
}

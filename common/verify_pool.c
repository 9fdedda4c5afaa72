/*
 * Signatures are nine tenths of a verification and need nothing but the line,
 * so threads check them while the one reader goes on.  Batches go round in a
 * ring: the reader fills one, any thread checks it, the reader collects it
 * when it comes by again; nothing grows.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "verify_int.h"

#define POOL_JOBS	64
#define POOL_BYTES	(4 * AUDIT_LINE_MAX)
#define POOL_RING	4		/* batches per thread */

enum batch_state {
	BATCH_FREE,			/* the reader's */
	BATCH_FULL,
	BATCH_TAKEN,			/* a thread's */
	BATCH_DONE
};

struct pool_job {
	size_t				 at, len;	/* the message */
	uint8_t				 key[32];
	uint8_t				 signature[AUDIT_SIGNATURE_SIZE];
	const struct verify_file	*file;
	uint64_t			 line, offset, seq;
	char				 execution_id[UUID_SIZE];
	int				 is_bad;
};

struct pool_batch {
	enum batch_state	 state;
	size_t			 n, used;
	struct pool_job		 jobs[POOL_JOBS];
	uint8_t			 bytes[POOL_BYTES];
};

struct verify_pool {
	struct verify		*v;
	pthread_mutex_t		 lock;
	pthread_cond_t		 work;		/* one is full, or the end */
	pthread_cond_t		 done;
	int			 ending;
	unsigned int		 nthreads;
	pthread_t		 threads[VERIFY_THREADS_MAX];
	size_t			 nbatches;
	size_t			 filling;	/* by the reader */
	size_t			 taking;	/* by the next thread */
	struct pool_batch	*batches;
};

static void
batch_check(struct pool_batch *b)
{
	struct pool_job	*j;
	size_t		 i;

	for (i = 0; i < b->n; i++) {
		j = &b->jobs[i];
		j->is_bad = crypto_sign_verify_detached(j->signature,
		    b->bytes + j->at, j->len, j->key) != 0;
	}
}

static void *
pool_thread(void *arg)
{
	struct verify_pool	*p = arg;
	struct pool_batch	*b;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		b = &p->batches[p->taking];
		if (b->state == BATCH_FULL) {
			b->state = BATCH_TAKEN;
			p->taking = (p->taking + 1) % p->nbatches;
			pthread_mutex_unlock(&p->lock);
			batch_check(b);
			pthread_mutex_lock(&p->lock);
			b->state = BATCH_DONE;
			pthread_cond_signal(&p->done);
		} else if (p->ending)
			break;
		else
			pthread_cond_wait(&p->work, &p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* NULL: there are no threads to be had; then the reader does it alone. */
struct verify_pool *
verify_pool_new(struct verify *v, unsigned int n)
{
	struct verify_pool	*p;

	if (n < 2 || (p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	if (n > VERIFY_THREADS_MAX)
		n = VERIFY_THREADS_MAX;
	p->v = v;
	p->nbatches = (size_t)n * POOL_RING;
	p->batches = calloc(p->nbatches, sizeof(*p->batches));
	if (p->batches == NULL) {
		free(p);
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->done, NULL);
	while (p->nthreads < n && pthread_create(&p->threads[p->nthreads],
	    NULL, pool_thread, p) == 0)
		p->nthreads++;
	if (p->nthreads > 0)
		return p;
	verify_pool_free(p);
	return NULL;
}

/* Tell what was bad in a batch that is done; it is the reader's again. */
static void
batch_collect(struct verify_pool *p, struct pool_batch *b)
{
	struct verify			*v = p->v;
	const struct verify_file	*file = v->file;
	uint64_t			 line = v->line, offset = v->offset;
	size_t				 i;

	for (i = 0; i < b->n; i++) {
		if (!b->jobs[i].is_bad)
			continue;
		v->file = b->jobs[i].file;
		v->line = b->jobs[i].line;
		v->offset = b->jobs[i].offset;
		verify_bad_signature(v, b->jobs[i].seq,
		    b->jobs[i].execution_id, b->jobs[i].key);
	}
	v->file = file;
	v->line = line;
	v->offset = offset;
	b->n = b->used = 0;
}

/* The batch is full: go on to the next one, when its thread is done. */
static void
pool_next(struct verify_pool *p)
{
	struct pool_batch	*b = &p->batches[p->filling];

	pthread_mutex_lock(&p->lock);
	b->state = BATCH_FULL;
	pthread_cond_signal(&p->work);
	p->filling = (p->filling + 1) % p->nbatches;
	b = &p->batches[p->filling];
	while (b->state == BATCH_FULL || b->state == BATCH_TAKEN)
		pthread_cond_wait(&p->done, &p->lock);
	b->state = BATCH_FREE;
	pthread_mutex_unlock(&p->lock);
	batch_collect(p, b);
}

void
verify_pool_add(struct verify_pool *p, const char *s, size_t len,
    const struct audit_line *l)
{
	struct pool_batch	*b = &p->batches[p->filling];
	struct pool_job		*j;
	size_t			 message = len - AUDIT_SIGNATURE_TAIL + 1;

	if (b->n == POOL_JOBS || b->used + message > sizeof(b->bytes)) {
		pool_next(p);
		b = &p->batches[p->filling];
	}
	j = &b->jobs[b->n++];
	j->at = b->used;
	j->len = message;
	memcpy(b->bytes + b->used, s, message - 1);
	b->bytes[b->used + message - 1] = '}';
	b->used += message;
	memcpy(j->key, l->public_key, sizeof(j->key));
	memcpy(j->signature, l->signature, sizeof(j->signature));
	memcpy(j->execution_id, l->execution_id, sizeof(j->execution_id));
	j->file = p->v->file;
	j->line = p->v->line;
	j->offset = p->v->offset;
	j->seq = l->seq;
}

/* All signatures are checked and told when this returns. */
void
verify_pool_drain(struct verify_pool *p)
{
	size_t	 i;

	for (i = 0; i < p->nbatches; i++)
		pool_next(p);
}

void
verify_pool_free(struct verify_pool *p)
{
	unsigned int	 i;

	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->ending = 1;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->nthreads; i++)
		(void)pthread_join(p->threads[i], NULL);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->done);
	free(p->batches);
	free(p);
}

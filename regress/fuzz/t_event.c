/*
 * What the server says over its WebSocket.  Whatever it is, a command or a
 * reaction that comes out of it can be sent to the executor, names the bot's
 * prefix, and is not of the bot itself.
 */
#include "buf.h"
#include "chatopsd/mm_event.h"
#include "fuzz.h"
#include "json.h"
#include "msg.h"
#include "text.h"

#define BOT	"botbotbotbotbotbotbotbotbo"

static const struct mm_self	 self = { BOT, "bot", "!" };

static void
must_encode(enum msg_type type, const void *msg)
{
	const char	*field;
	struct buf	 b;

	if (msg_encode(&b, type, msg, &field) == -1) {
		fprintf(stderr, "%s: %s\n", msg_name(type), field);
		abort();
	}
	buf_free(&b);
}

static void
check_verdict(enum mm_verdict verdict, struct msg_command *cmd,
    const char *why)
{
	if (verdict == MM_REFUSED)
		MUST(why != NULL && why[0] != '\0');
	if (verdict != MM_COMMAND)
		return;
	cmd->missed = 0;
	cmd->received = 1790000000000;
	must_encode(MSG_COMMAND, cmd);
	MUST(strcmp(cmd->user_id, BOT) != 0);
	MUST(cmd->channel_type == 'D' || mm_is_addressed(cmd->text, &self));
}

static void
check_event(const struct mm_envelope *e)
{
	static struct msg_command	 cmd;
	struct msg_reaction		 reaction;
	const char			*why = NULL, *channel;
	enum mm_verdict			 verdict;
	json_t				*post;

	MUST(e->event != NULL && e->data != NULL);
	memset(&cmd, 0, sizeof(cmd));
	if ((post = mm_inner(e->data, "post")) != NULL) {
		verdict = mm_judge_posted(e, post, &self, &cmd, &why);
		check_verdict(verdict, &cmd, why);
		json_decref(post);
	}
	memset(&reaction, 0, sizeof(reaction));
	if (mm_reaction(e, &self, &reaction) == 0) {
		must_encode(MSG_REACTION, &reaction);
		MUST(strcmp(reaction.user_id, BOT) != 0);
	}
	channel = mm_removed_channel(e, &self);
	MUST(channel == NULL || text_is_id(channel));
}

/* The same bytes as a post of a REST answer. */
static void
check_post(const char *text, size_t len)
{
	static const struct mm_where	 where = { "cccccccccccccccccccccccccc",
					    "ops", "O", "" };
	static struct msg_command	 cmd;
	const char			*why = NULL;
	enum mm_verdict			 verdict;
	json_t				*post;

	memset(&cmd, 0, sizeof(cmd));
	if ((post = mm_parse(text, len)) == NULL)
		return;
	verdict = mm_judge_post(post, &where, &self, &cmd, &why);
	check_verdict(verdict, &cmd, why);
	json_decref(post);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct mm_envelope	 e;
	const char		*why = NULL;

	if (mm_envelope_parse(&e, (const char *)data, len, &why) == -1)
		MUST(why != NULL && why[0] != '\0');
	else {
		if (e.kind == MM_EVENT)
			check_event(&e);
		else
			MUST(e.error_id != NULL);
		mm_envelope_free(&e);
	}
	check_post((const char *)data, len);
	return 0;
}

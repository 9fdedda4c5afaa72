/*
 * The decision: every layer refuses on its own, in the order that policy.h
 * gives, and an input that was not filled in is refused.
 */
#include "../../executor/policy.h"
#include "test.h"

static char		 flag_deploy[] = "deploy", flag_db[] = "db";
static char		*flags[] = { flag_deploy, flag_db };
static char		 name_ops[] = "ops";
static char		*channels[] = { name_ops };
static struct script	 script;

/* An operator who may run a script for operators, in every respect. */
static void
good(struct policy_input *in)
{
	static char	 name[] = "deploy";

	memset(&script, 0, sizeof(script));
	script.name = name;
	script.enabled = 1;
	script.level = LEVEL_OPERATOR;
	memset(in, 0, sizeof(*in));
	in->kind = POLICY_SCRIPT;
	in->name = "deploy";
	in->script = &script;
	in->has_account = in->has_member = in->has_user = 1;
	in->account = in->member = LOOKUP_OK;
	in->channel_type = 'O';
	in->user.level = LEVEL_OPERATOR;
	in->channel = POLICY_CHANNEL_ANY;
	in->is_audit_ok = 1;
	in->now = 1000000;
}

static enum reason
decide(const struct policy_input *in)
{
	struct policy_result	 out;

	policy_decide(in, &out);
	CHECK(out.why[0] != '\0');
	return out.reason;
}

TEST(allowed_when_everything_holds)
{
	struct policy_input	 in;

	good(&in);
	CHECK_INT(decide(&in), REASON_ALLOWED);
}

TEST(nothing_filled_in_is_refused)
{
	struct policy_input	 in;

	memset(&in, 0, sizeof(in));
	CHECK(decide(&in) != REASON_ALLOWED);
	in.kind = POLICY_BUILTIN;
	in.name = "ping";
	CHECK(decide(&in) != REASON_ALLOWED);
	in.kind = POLICY_SCRIPT;
	CHECK(decide(&in) != REASON_ALLOWED);
}

/* Each field of a good input, taken away on its own, refuses. */
TEST(each_layer_refuses_on_its_own)
{
	struct policy_input	 in;

	good(&in); in.has_user = 0;
	CHECK_INT(decide(&in), REASON_DATABASE);
	good(&in); in.is_banned = 1;
	CHECK_INT(decide(&in), REASON_BANNED);
	good(&in); in.is_banned = 1; in.ban.expires_at = 2000000;
	CHECK_INT(decide(&in), REASON_BANNED);
	good(&in); in.user.level = LEVEL_BANNED;
	CHECK_INT(decide(&in), REASON_BANNED);
	good(&in); in.has_account = 0;
	CHECK_INT(decide(&in), REASON_LOOKUP);
	good(&in); in.account = LOOKUP_FAILED;
	CHECK_INT(decide(&in), REASON_LOOKUP);
	good(&in); in.account = LOOKUP_MISSING;
	CHECK_INT(decide(&in), REASON_ACCOUNT);
	good(&in); in.account_flags = USER_DELETED;
	CHECK_INT(decide(&in), REASON_ACCOUNT);
	good(&in); in.account_flags = USER_BOT;
	CHECK_INT(decide(&in), REASON_BOT);
	good(&in); in.account_flags = USER_GUEST;
	CHECK_INT(decide(&in), REASON_GUEST);
	good(&in); in.account_flags = USER_REMOTE;
	CHECK_INT(decide(&in), REASON_REMOTE);
	good(&in); in.account_flags = 0x100;
	CHECK_INT(decide(&in), REASON_ACCOUNT);
	good(&in); in.has_member = 0;
	CHECK_INT(decide(&in), REASON_LOOKUP);
	good(&in); in.member = LOOKUP_FAILED;
	CHECK_INT(decide(&in), REASON_LOOKUP);
	good(&in); in.member = LOOKUP_MISSING;
	CHECK_INT(decide(&in), REASON_MEMBER);
	good(&in); in.is_channel_guest = 1;
	CHECK_INT(decide(&in), REASON_GUEST);
	good(&in); in.channel_type = 0;
	CHECK_INT(decide(&in), REASON_CHANNEL);
	good(&in); in.channel_type = 'D';
	CHECK_INT(decide(&in), REASON_DIRECT);
	good(&in); in.is_stopping = 1;
	CHECK_INT(decide(&in), REASON_STOPPING);
	good(&in); in.user.level = LEVEL_USER;
	CHECK_INT(decide(&in), REASON_PERMISSION);
	good(&in); script.flags = flags; script.nflags = 1;
	CHECK_INT(decide(&in), REASON_FLAGS);
	good(&in); script.enabled = 0;
	CHECK_INT(decide(&in), REASON_DISABLED);
	good(&in); in.channel = POLICY_CHANNEL_NONE;
	CHECK_INT(decide(&in), REASON_CHANNEL);
	good(&in); in.channel = POLICY_CHANNEL_OTHER;
	CHECK_INT(decide(&in), REASON_CHANNEL);
	good(&in); in.channel = POLICY_CHANNEL_UNRESOLVED;
	CHECK_INT(decide(&in), REASON_CHANNEL_UNKNOWN);
	good(&in); in.is_frozen = 1;
	CHECK_INT(decide(&in), REASON_FROZEN);
	good(&in); in.is_audit_ok = 0;
	CHECK_INT(decide(&in), REASON_AUDIT);
}

/* "any channel" is not believed where the script has a list. */
TEST(channel_list_is_not_skipped)
{
	struct policy_input	 in;

	good(&in);
	script.channels = channels;
	script.nchannels = 1;
	CHECK_INT(decide(&in), REASON_CHANNEL);
	in.channel = POLICY_CHANNEL_MATCH;
	CHECK_INT(decide(&in), REASON_ALLOWED);
}

TEST(order_of_layers)
{
	struct policy_input	 in;

	good(&in);
	in.is_banned = 1;
	in.account_flags = USER_DELETED | USER_BOT;
	in.member = LOOKUP_MISSING;
	in.is_stopping = 1;
	in.user.level = LEVEL_USER;
	script.flags = flags;
	script.nflags = 2;
	script.enabled = 0;
	in.channel = POLICY_CHANNEL_OTHER;
	in.is_frozen = 1;
	in.is_audit_ok = 0;
	CHECK_INT(decide(&in), REASON_BANNED);
	in.is_banned = 0;
	CHECK_INT(decide(&in), REASON_ACCOUNT);
	in.account_flags = USER_BOT;
	CHECK_INT(decide(&in), REASON_BOT);
	in.account_flags = 0;
	CHECK_INT(decide(&in), REASON_MEMBER);
	in.member = LOOKUP_OK;
	CHECK_INT(decide(&in), REASON_STOPPING);
	in.is_stopping = 0;
	CHECK_INT(decide(&in), REASON_PERMISSION);
	in.user.level = LEVEL_OPERATOR;
	CHECK_INT(decide(&in), REASON_FLAGS);
	script.nflags = 0;
	CHECK_INT(decide(&in), REASON_DISABLED);
	script.enabled = 1;
	CHECK_INT(decide(&in), REASON_CHANNEL);
	in.channel = POLICY_CHANNEL_MATCH;
	CHECK_INT(decide(&in), REASON_FROZEN);
	in.is_frozen = 0;
	CHECK_INT(decide(&in), REASON_AUDIT);
	in.is_audit_ok = 1;
	CHECK_INT(decide(&in), REASON_ALLOWED);
}

/* The whole table of levels: who may run what, by script and built-in. */
TEST(levels)
{
	struct policy_input	 in;
	int			 have, need;

	for (have = LEVEL_BANNED; have <= LEVEL_ADMIN; have++)
		for (need = LEVEL_BANNED; need <= LEVEL_ADMIN; need++) {
			good(&in);
			in.user.level = (enum level)have;
			script.level = (enum level)need;
			CHECK_INT(decide(&in) == REASON_ALLOWED,
			    have != LEVEL_BANNED && need != LEVEL_BANNED &&
			    have >= need);
			in.kind = POLICY_BUILTIN;
			in.min_level = (enum level)need;
			CHECK_INT(decide(&in) == REASON_ALLOWED,
			    have != LEVEL_BANNED && need != LEVEL_BANNED &&
			    have >= need);
		}
}

TEST(flags_must_all_be_held_below_admin)
{
	struct policy_input	 in;
	const char		*missing = NULL;

	good(&in);
	script.flags = flags;
	script.nflags = 2;
	in.user.nflags = 1;
	(void)strlcpy(in.user.flags[0], "deploy", NAME_SIZE);
	CHECK_INT(decide(&in), REASON_FLAGS);
	CHECK(!policy_has_flags(&in.user, flags, 2, &missing));
	CHECK_STR(missing, "db");
	in.user.nflags = 2;
	(void)strlcpy(in.user.flags[1], "db", NAME_SIZE);
	CHECK_INT(decide(&in), REASON_ALLOWED);
	in.user.nflags = 0;
	in.user.level = LEVEL_ADMIN;
	CHECK_INT(decide(&in), REASON_ALLOWED);
}

TEST(direct_message_of_their_own)
{
	struct policy_input	 in;

	good(&in);
	in.channel_type = 'D';
	in.is_direct_ok = 1;
	in.has_member = 0;
	CHECK_INT(decide(&in), REASON_ALLOWED);
}

TEST(builtins_need_no_log_and_no_channel)
{
	struct policy_input	 in;

	good(&in);
	in.kind = POLICY_BUILTIN;
	in.min_level = LEVEL_USER;
	in.script = NULL;
	in.channel = POLICY_CHANNEL_NONE;
	in.is_audit_ok = 0;
	in.is_frozen = 1;
	CHECK_INT(decide(&in), REASON_ALLOWED);
}

TEST(reasons_have_names)
{
	int	 i, k;

	for (i = 0; i < REASON_COUNT; i++) {
		CHECK(reason_name((enum reason)i)[0] != '\0');
		for (k = 0; k < i; k++)
			CHECK(strcmp(reason_name((enum reason)i),
			    reason_name((enum reason)k)) != 0);
	}
	CHECK_STR(reason_name((enum reason)REASON_COUNT), "unknown");
}

TEST(flag_names)
{
	char	 long_name[NAME_SIZE + 1];

	CHECK(policy_is_flag("deploy"));
	CHECK(policy_is_flag("0-a_b"));
	CHECK(!policy_is_flag(""));
	CHECK(!policy_is_flag("-a"));
	CHECK(!policy_is_flag("_a"));
	CHECK(!policy_is_flag("Deploy"));
	CHECK(!policy_is_flag("a b"));
	CHECK(!policy_is_flag("a\"b"));
	memset(long_name, 'a', sizeof(long_name));
	long_name[NAME_SIZE - 1] = '\0';
	CHECK(policy_is_flag(long_name));
	long_name[NAME_SIZE - 1] = 'a';
	long_name[NAME_SIZE] = '\0';
	CHECK(!policy_is_flag(long_name));
}

TEST(nearest)
{
	static const char *const	 list[] = { "deploy", "restart",
					    "rollback", "up", "status" };

	CHECK_STR(policy_nearest("depoly", list, 5), "deploy");
	CHECK_STR(policy_nearest("deply", list, 5), "deploy");
	CHECK_STR(policy_nearest("deployy", list, 5), "deploy");
	CHECK_STR(policy_nearest("staus", list, 5), "status");
	CHECK_STR(policy_nearest("rolback", list, 5), "rollback");
	CHECK(policy_nearest("xy", list, 5) == NULL);
	CHECK(policy_nearest("", list, 5) == NULL);
	CHECK(policy_nearest("unrelated", list, 5) == NULL);
	CHECK(policy_nearest("un", list, 5) == NULL);
}

/*
 * A command as typed: characters, words, then the arguments of one of a few
 * scripts.  What is taken is harmless in the ways that were promised.
 */
#include "allowlist.h"
#include "audit_json.h"
#include "fuzz.h"
#include "text.h"

static const char	 scripts[] =
    "{\"scripts\":["
    "{\"name\":\"deploy\",\"path\":\"/x\",\"requiredPermission\":\"user\","
    "\"arguments\":{\"service\":{\"type\":\"enum\","
    "\"values\":[\"api-server\",\"web-app\"],\"required\":true},"
    "\"environment\":{\"type\":\"enum\",\"values\":[\"staging\"]}},"
    "\"dryRun\":[\"--check\"]},"
    "{\"name\":\"free\",\"path\":\"/x\",\"arguments\":{"
    "\"text\":{\"type\":\"string\",\"length\":4000},"
    "\"n\":{\"type\":\"integer\",\"min\":-5,\"max\":99},"
    "\"x\":{\"type\":\"number\",\"min\":0.5,\"max\":1e9},"
    "\"yes\":{\"type\":\"boolean\",\"default\":true}}},"
    "{\"name\":\"named\",\"path\":\"/x\",\"argumentStyle\":\"named\","
    "\"arguments\":{\"word\":{\"type\":\"string\","
    "\"regex\":\"[a-z]+(-[a-z]+)*\","
    "\"allowLeadingDash\":true},"
    "\"password\":{\"type\":\"string\",\"secret\":true}}},"
    "{\"name\":\"none\",\"path\":\"/x\"}]}";

static const uint8_t	 key[32] = { 7, 1, 2 };

static struct allowlist *
load(void)
{
	static struct allowlist	*a;
	struct json_error	 e;
	struct json_file	 f;

	if (a != NULL)
		return a;
	if (json_file_parse(&f, "scripts", scripts, sizeof(scripts) - 1,
	    &e) == -1 || allowlist_parse(&a, &f, &e) == -1) {
		fprintf(stderr, "%d: %s: %s\n", e.column, e.path, e.text);
		abort();
	}
	json_file_free(&f);
	return a;
}

/* No element of an argument vector may surprise a script. */
static void
check_word(const struct script *s, const char *word)
{
	static const char *const	 never[] = { "../", "${", "$(", ";",
	    "&", "|", "`", "\r", "\n" };
	size_t				 i;

	MUST(utf8_valid(word, strlen(word)) == strlen(word));
	for (i = 0; i < nitems(never); i++)
		MUST(strstr(word, never[i]) == NULL);
	if (strcmp(s->name, "deploy") == 0)
		MUST(word[0] == '\0' || strcmp(word, "api-server") == 0 ||
		    strcmp(word, "web-app") == 0 ||
		    strcmp(word, "staging") == 0 ||
		    strcmp(word, "--check") == 0);
}

static void
check_arguments(const struct script *s, const struct words *typed, int dry)
{
	static struct arguments	 out;
	const char		*why;
	char			 text[512];
	size_t			 i;

	if (arguments_check(s, typed, dry, key, &out) == -1) {
		MUST(out.why[0] != '\0' && strchr(out.why, '\n') == NULL);
		return;
	}
	for (i = 0; i < out.out.n; i++)
		check_word(s, words_get(&out.out, i));
	if (audit_json_check_object(out.json, strlen(out.json), &why) == -1) {
		fprintf(stderr, "%s: %s\n", why, out.json);
		abort();
	}
	/* Another value may hold the same bytes; this one never does. */
	if (out.secrets.n > 0)
		MUST(strstr(out.json, "\"password\":\"hmac-sha256:") != NULL);
	else
		MUST(strstr(out.json, "\"password\":") == NULL);
	if (arguments_recheck(s, &out.out, text, sizeof(text)) == -1) {
		fprintf(stderr, "recheck: %s\n", text);
		abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct words	 words, typed;
	struct allowlist	*a = load();
	const char		*text = (const char *)data, *word;
	char			 why[256];
	size_t			 i, k;

	why[0] = '\0';
	if (text_check_command(text, len, why, sizeof(why)) == -1) {
		MUST(why[0] != '\0' && strchr(why, '\n') == NULL);
		return 0;
	}
	MUST(utf8_valid(text, len) == len && memchr(text, '\0', len) == NULL);
	if (text_split(text, len, &words, why, sizeof(why)) == -1) {
		MUST(why[0] != '\0');
		return 0;
	}
	MUST(words.n <= WORDS_MAX && words.len <= sizeof(words.data));
	memset(&typed, 0, sizeof(typed));
	for (i = 1; (word = words_get(&words, i)) != NULL; i++)
		MUST(words_add(&typed, word, strlen(word)) == 0);
	for (k = 0; k < a->n; k++) {
		check_arguments(&a->scripts[k], &typed, 0);
		check_arguments(&a->scripts[k], &typed, 1);
	}
	return 0;
}

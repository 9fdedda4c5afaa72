# What style(9) asks and an awk can see: 80 columns, no blanks at the end of
# a line or before a tab, a blank after a keyword, an opening brace of a
# function in the first column.
function say(text) {
	printf "%s:%d: %s\n", FILENAME, FNR, text
	bad = 1
}

function columns(s,    i, n, c) {
	gsub(/[\200-\277]/, "", s)	# the rest of an UTF-8 character
	n = 0
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		n = c == "\t" ? n + 8 - n % 8 : n + 1
	}
	return n
}

{
	if (columns($0) > 80)
		say("more than 80 columns")
	if ($0 ~ /[ \t]$/)
		say("blank at the end of the line")
	if ($0 ~ / \t/)
		say("space before a tab")
	if ($0 ~ /\r/)
		say("carriage return")
	# Not in strings and comments.
	s = $0
	gsub(/\\./, "", s)
	gsub(/"[^"]*"/, "\"\"", s)
	sub(/\/\*.*/, "", s)
	if (s ~ /^[ \t]*\*/)
		next
	if (s ~ /(^|[^A-Za-z0-9_])(if|for|while|switch)\(/)
		say("no blank after the keyword")
	# A compound literal has none.
	if (s ~ /\)\{$/ && s !~ /\((struct )?[a-z_]+\)\{$/)
		say("no blank before the brace")
	if (s ~ /^[a-z].*\) \{$/ && s !~ /^(struct|enum|union|static const)/)
		say("brace of a function belongs on its own line")
	if (s ~ /^ +[^ *]/ && s !~ /^ +[a-z_]+:$/ && s !~ /^    [^ ]/)
		say("indented by spaces")
}

END {
	exit bad
}

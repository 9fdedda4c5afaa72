#!/bin/sh
# Everything that output must not do to a chat.
printf '\033[31mred\033[0m \033]0;title\007 bell\007\n'
echo '@all @channel look: ![x](http://127.0.0.1/pixel.png)'
echo '``` a fence that would end ours ```'
printf 'not UTF-8: \377\376\n'
i=0
while [ $i -lt 300 ]; do
	echo "line $i of three hundred"
	i=$((i + 1))
done

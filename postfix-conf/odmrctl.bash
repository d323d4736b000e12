# postfix-odmr: completion of odmrctl(8) for bash, by what "odmrctl -h" says of
# its commands. Domains and logins are completed for those who may read them.
# shellcheck shell=bash

# The words of the usage that may come after $1.
_odmrctl_next() {
	odmrctl -h | awk -v given="$1" '
	sub(/^.*odmrctl \[-c FILE\] /, "") {
		split("", operand); split("", value); operands = taken = 0
		for (i = 1; i <= NF; i++) {
			word = $i; gsub(/[][]/, "", word)
			if (word !~ /^--/) {
				operand[++operands] = word
				continue
			}
			count = split(word, option, "|")
			for (j = 1; j <= count; j++)
				value[option[j]] = ""
			if ($i !~ /\]$/) {
				word = $(++i); gsub(/\]/, "", word)
				value[option[1]] = word
			}
		}
		more = operand[operands] ~ /\.\.\.$/
		count = split(given, said)
		for (i = 1; i <= count; i++) {
			if (said[i] in value) {
				if (value[said[i]] != "" && i++ == count) {
					print value[said[i - 1]]
					next
				}
				continue
			}
			if (++taken > operands && !more)
				next
			if (operand[taken] ~ /^[a-z]/ &&
			    operand[taken] != said[i])
				next
		}
		print operand[taken < operands ? taken + 1 : more * operands]
		if (operand[taken + 1] !~ /^[a-z]/)
			for (name in value)
				print name
	}' | tr '|' '\n' | sed 's/\.\.\.$//' | sort -u
}

_odmrctl() {
	local given=("${COMP_WORDS[@]:1:COMP_CWORD-1}") conf=() files=() word names
	if [[ ${given[0]-} == -c ]]; then
		conf=("${given[@]:0:2}")
		given=("${given[@]:2}")
	fi
	[[ ${#conf[@]} -ne 1 ]] || files=(-f)
	while read -r word; do
		case ${given[0]-}.$word in
		domain.NAME | *.DOMAIN) set -- domain domain ;;
		*.LOGIN | customer.NAME) set -- account login ;;
		*.FILE*)
			files=(-f)
			continue
			;;
		*[A-Z]*) continue ;;
		*)
			names+=" $word"
			continue
			;;
		esac
		names+=" $(odmrctl "${conf[@]}" "$1" list --json 2>/dev/null |
		    grep -o "\"$2\":\"[^\"]*\"" | cut -d '"' -f 4)"
	done < <(((${#conf[@]} == 1)) || _odmrctl_next "${given[*]}")
	mapfile -t COMPREPLY < <(compgen "${files[@]}" -W "${names-}" -- \
	    "${COMP_WORDS[COMP_CWORD]}")
}
complete -F _odmrctl odmrctl

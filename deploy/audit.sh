# Asks PyPI's database for known vulnerabilities of what the images install. Status 1: there are some; 69: it cannot be asked.
set -eu
requirements=$(mktemp)
answer=$(mktemp)
trap 'rm -f "$requirements" "$answer"' EXIT
sed '/^#/d' deploy/docker/requirements-*.txt | sed -n 's/^\([^ ]*==[^ ]*\).*/\1/p' | sort -u >"$requirements"
grep '^torch==' constraints.txt >>"$requirements"
status=0
"$1/pip-audit" --disable-pip --no-deps --progress-spinner off --timeout 10 -r "$requirements" >"$answer" 2>&1 || status=$?
# A registry that is no PyPI may answer that it knows none of the packages, which pip-audit takes for a good answer.
all=$(wc -l <"$requirements")
skipped=$(grep -c 'could not be audited' "$answer" || true)
if [ "$skipped" -ge "$all" ]; then
  echo "audit: the registry here has no database of vulnerabilities, so nothing is known of any of $all packages" >&2
  exit 69
fi
if [ "$skipped" -gt 0 ]; then echo "audit: nothing is known of $skipped of $all packages" >&2; fi
if [ $status -ne 0 ] && ! grep -q 'Found .* known vulnerabilit' "$answer"; then
  echo "audit: the database of vulnerabilities cannot be asked here, so nothing is known: $(tail -n 1 "$answer" | cut -c 1-200)" >&2
  exit 69  # EX_UNAVAILABLE of sysexits.h
fi
cat "$answer"
exit $status

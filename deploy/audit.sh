# Asks PyPI's database for known vulnerabilities of what the images install. Status 1: there are some; 69: it cannot be asked.
set -eu
requirements=$(mktemp)
answer=$(mktemp)
trap 'rm -f "$requirements" "$answer"' EXIT
sed '/^#/d' deploy/docker/requirements-*.txt | sed -n 's/^\([^ ]*==[^ ]*\).*/\1/p' | sort -u >"$requirements"
grep '^torch==' constraints.txt >>"$requirements"
status=0
"$1/pip-audit" --disable-pip --no-deps --progress-spinner off --timeout 10 -r "$requirements" >"$answer" 2>&1 || status=$?
if [ $status -ne 0 ] && ! grep -q 'Found .* known vulnerabilit' "$answer"; then
  echo "audit: the database of vulnerabilities cannot be asked here, so nothing is known: $(tail -n 1 "$answer" | cut -c 1-200)" >&2
  exit 69  # EX_UNAVAILABLE of sysexits.h
fi
cat "$answer"
exit $status

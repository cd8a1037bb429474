#!/bin/sh
# Writes .env, which docker-compose.yml reads, from .env.example, with a fresh random secret for each placeholder.
# A .env that is there is kept. Run it from the root of a checkout; it needs nothing but a POSIX shell and /dev/urandom.
set -eu

fail() { echo "make env: $1" >&2; exit 1; }
secret() { od -A n -t x1 -N 24 /dev/urandom | tr -d ' \n'; }
names() { sed -n 's/^\([A-Z][A-Z0-9_]*\)=change-me.*/\1/p' .env.example; }

[ -r .env.example ] || fail "there is no .env.example here: run it from the root of a checkout"
if [ -e .env ] || [ -L .env ]; then
  lacking=$(for name in $(names); do grep -q "^$name=." .env || printf ' %s' "$name"; done)
  [ -z "$lacking" ] || fail ".env is there and is kept; it lacks$lacking: add each to it with a secret of its own"
  echo "make env: .env is there and is kept"
  exit 0
fi

text=$(while IFS= read -r line; do
  case $line in
    [A-Z]*=change-me*)
      value=$(secret)
      [ ${#value} -eq 48 ] || fail "/dev/urandom gives no random bytes"
      line=${line%%=*}=$value ;;
  esac
  printf '%s\n' "$line"
done <.env.example)

umask 077
set -C  # never over a file that somebody has made meanwhile
: >.env
printf '%s\n' "$text" >|.env || { rm -f .env; fail "cannot write .env"; }
echo "make env: wrote .env with fresh secrets, for its owner's eyes only"

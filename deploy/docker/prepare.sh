# Runs before all services: refuses published secrets, and gives each volume to the user that its service runs as.
set -eu

if [ "$FEDFACE_ENVIRONMENT" != development ]; then
  name=$(env | sed -n 's/^\([A-Z0-9_]*\)=.*change-me.*/\1/p' | head -n 1)  # compose gives this step all secrets
  if [ -n "$name" ]; then
    echo "prepare: $name still has the placeholder of .env.example; set your own secret in .env," \
         "or FEDFACE_ENVIRONMENT=development to try things out" >&2
    exit 78  # EX_CONFIG of sysexits.h, which the services use too
  fi
fi

# Only the directories themselves: their contents were written by the services as that user.
chown 10001:10001 /volumes/*

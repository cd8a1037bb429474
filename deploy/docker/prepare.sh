# Before anything starts: refuse published secrets, and give each volume to the user that its service runs as.
set -eu

if [ "$FEDFACE_ENVIRONMENT" != development ]; then
  for name in REDIS_PASSWORD MINIO_ROOT_PASSWORD GRAFANA_ADMIN_PASSWORD; do
    eval "value=\$$name"
    case $value in
      *change-me*)
        echo "prepare: $name still has the placeholder of .env.example; set a secret of your own in .env," \
             "or FEDFACE_ENVIRONMENT=development to try things out" >&2
        exit 78 ;;  # EX_CONFIG of sysexits.h, as the services have it
    esac
  done
fi

# Only the directory itself: what is inside, the service wrote as that user.
chown 10001:10001 /volumes/*

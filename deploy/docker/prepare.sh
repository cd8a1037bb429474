# Runs before all services: refuses published secrets, and gives each volume to the user that its service runs as.
set -eu

if [ "$FEDFACE_ENVIRONMENT" != development ]; then
  for name in REDIS_PASSWORD_CONTROL REDIS_PASSWORD_SWEEP REDIS_PASSWORD_CLIENT REDIS_PASSWORD_AGGREGATOR REDIS_PASSWORD_EVALUATOR \
    S3_SECRET_CONTROL S3_SECRET_SWEEP S3_SECRET_CLIENT S3_SECRET_AGGREGATOR S3_SECRET_EVALUATOR \
    MINIO_ROOT_PASSWORD GRAFANA_ADMIN_PASSWORD API_FIRST_KEY API_METRICS_KEY; do
    eval "value=\$$name"
    case $value in
      *change-me*)
        echo "prepare: $name still has the placeholder of .env.example; set your own secret in .env," \
             "or FEDFACE_ENVIRONMENT=development to try things out" >&2
        exit 78 ;;  # EX_CONFIG of sysexits.h, which the services use too
    esac
  done
fi

# Only the directories themselves: their contents were written by the services as that user.
chown 10001:10001 /volumes/*

# Arguments are settings without secrets, such as those of docker-compose.tls.yml.
# Redis reads the password from standard input: an argument would be visible in every process list.
exec redis-server "$@" - <<CONFIG
include /etc/redis/redis.conf
requirepass $REDIS_PASSWORD
CONFIG

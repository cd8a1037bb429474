# Redis reads the password from standard input: an argument would be visible in every process list.
exec redis-server - <<CONFIG
include /etc/redis/redis.conf
requirepass $REDIS_PASSWORD
CONFIG

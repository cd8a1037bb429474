# The password goes in by standard input: as an argument every process list would show it.
exec redis-server - <<CONFIG
include /etc/redis/redis.conf
requirepass $REDIS_PASSWORD
CONFIG

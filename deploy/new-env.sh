#!/bin/sh
# Writes a file with new passwords for docker-compose.yml, readable by you alone: .env, or the file
# that you name. It never replaces one: the volumes were made with the passwords in it.
set -eu
umask 077

file=${1:-"$(dirname "$0")/../.env"}
if [ -e "$file" ]; then
    echo "Error: $file exists; the data was made with its passwords" >&2
    exit 1
fi

# hex: the passwords become parts of URLs
secret() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

cat > "$file" <<END
# the superuser of PostgreSQL, for administrators
POSTGRES_PASSWORD=$(secret)
# the service's own role
DATABASE_PASSWORD=$(secret)
VALKEY_PASSWORD=$(secret)
# user:password of Flower's page
FLOWER_BASIC_AUTH=flower:$(secret)
END
echo "passwords are in $file"

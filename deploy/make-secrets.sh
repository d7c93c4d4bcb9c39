#!/bin/sh
# Make the secrets that docker-compose.yml mounts, those that are not there yet: sh deploy/make-secrets.sh [FOLDER]
# What a variable of the same name in capitals says is taken, else what must be secret is drawn, and the rest is empty.
set -eu
folder=${1:-secrets}
mkdir -p "$folder"
# The folder keeps others of this machine out; the files must be readable to each container's own user.
chmod 0700 "$folder"

draw() {
    head -c 32 /dev/urandom | base64 | tr -d '\n=' | tr '+/' '-_'
}

keep() { # NAME VALUE
    [ -e "$folder/$1" ] || printf '%s\n' "$2" >"$folder/$1"
    chmod 0644 "$folder/$1"
}

keep redis_url "${REDIS_URL:-redis://:$(draw)@redis:6379/0}"
keep metrics_key "$(draw)"
keep api_keys "${API_KEYS:-operator:$(draw),metrics:$(cat "$folder/metrics_key")}"
keep flower_basic_auth "${FLOWER_BASIC_AUTH:-operator:$(draw)}"
keep grafana_admin_password "${GRAFANA_ADMIN_PASSWORD:-$(draw)}"
keep deepgram_api_key "${DEEPGRAM_API_KEY:-}"
keep convex_deploy_key "${CONVEX_DEPLOY_KEY:-}"
keep webhook_secret "${WEBHOOK_SECRET:-}"
echo "The secrets are in $folder. The key of the API is the one after operator: in $folder/api_keys."

#!/bin/sh
# Fetches the API viewers that /docs and /redoc serve, and cuts out what would make a browser ask another host:
# source maps, Swagger's online validator, Redoc's logo. Run it again after changing a version.
set -eu
cd "$(dirname "$0")"
SWAGGER_UI=5.35.0
REDOC=2.5.4

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm pack --silent --pack-destination "$work" "swagger-ui-dist@$SWAGGER_UI" "redoc@$REDOC" >/dev/null
mkdir -p swagger-ui redoc "$work/s" "$work/r"
tar xzf "$work/swagger-ui-dist-$SWAGGER_UI.tgz" -C "$work/s" --strip-components=1
tar xzf "$work/redoc-$REDOC.tgz" -C "$work/r" --strip-components=1

cp "$work/s/LICENSE" "$work/s/NOTICE" "$work/s/swagger-ui-bundle.js.LICENSE.txt" swagger-ui/
sed -e '/sourceMappingURL/d' "$work/s/swagger-ui.css" >swagger-ui/swagger-ui.css
sed -e 's#https://validator.swagger.io/validator##g' -e '/^\/\/# sourceMappingURL/d' \
    "$work/s/swagger-ui-bundle.js" >swagger-ui/swagger-ui-bundle.js
cp "$work/r/LICENSE" "$work/r/bundles/redoc.standalone.js.LICENSE.txt" redoc/
sed -e 's#https://cdn.redoc.ly/redoc/logo-mini.svg#data:,#g' -e '/^\/\/# sourceMappingURL/d' \
    "$work/r/bundles/redoc.standalone.js" >redoc/redoc.standalone.js

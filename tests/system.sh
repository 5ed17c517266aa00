#!/bin/sh
# What the tests need beside Python packages: a Chromium to open pages in, a JDK of 17 to 21 for a
# real Neo4j 5.26 (the newer one for 2026 comes from PyPI), and Maven to fetch both. Installs what is
# missing where apt-get can; else says what to install.
set -eu

# Whether there is such a JDK, where tests/neo4j_server.py looks for it.
has_jdk() {
    for java in "${JAVA_HOME:-}/bin/java" "$(command -v java || true)" /usr/lib/jvm/*/bin/java \
        "$HOME"/.sdkman/candidates/java/*/bin/java "$HOME"/.jdks/*/bin/java /opt/java/*/bin/java \
        /Library/Java/JavaVirtualMachines/*/Contents/Home/bin/java; do
        [ -x "$java" ] && [ -x "${java}c" ] || continue
        "$java" -version 2>&1 | grep -qE 'version "(17|18|19|20|21)[."]' && return 0
    done
    return 1
}

missing=""
command -v chromium >/dev/null 2>&1 || [ -n "${CHROMIUM:-}" ] || missing="$missing chromium"
has_jdk || missing="$missing openjdk-17-jdk-headless"
command -v mvn >/dev/null 2>&1 || missing="$missing maven"
[ -n "$missing" ] || exit 0

as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
if command -v apt-get >/dev/null 2>&1 && { [ -z "$as_root" ] || command -v sudo >/dev/null 2>&1; }; then
    $as_root apt-get update -qq
    if ! apt-cache show openjdk-17-jdk-headless >/dev/null 2>&1; then  # newer Debians have 21
        missing=$(echo "$missing" | sed 's/openjdk-17/openjdk-21/')
    fi
    echo "installing$missing"
    # shellcheck disable=SC2086 (a list of packages)
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "The tests need$missing (Debian's names; any JDK from 17 to 21 will do, and \$CHROMIUM may" \
        "name a Chromium or Chrome). Install them with your package manager." >&2
    exit 1
fi

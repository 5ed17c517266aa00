#!/bin/sh
# What the tests need beside Python packages: a Chromium to open pages in, and Java with Maven for a
# real Neo4j. Installs what is missing where apt-get can; else says what to install.
set -eu

missing=""
command -v chromium >/dev/null 2>&1 || [ -n "${CHROMIUM:-}" ] || missing="$missing chromium"
command -v javac >/dev/null 2>&1 || missing="$missing default-jdk-headless"
command -v mvn >/dev/null 2>&1 || missing="$missing maven"
[ -n "$missing" ] || exit 0

as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
if command -v apt-get >/dev/null 2>&1 && { [ -z "$as_root" ] || command -v sudo >/dev/null 2>&1; }; then
    echo "installing$missing"
    $as_root apt-get update -qq
    # shellcheck disable=SC2086 (a list of packages)
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "The tests need$missing (Debian's names). Install them with your package manager." >&2
    exit 1
fi
